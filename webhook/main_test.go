package webhook

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// Tests wait for the disk and for answers: more of them run at once than there are
// processors, unless -parallel says otherwise.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "8"); err != nil { // the command line is read later
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}
