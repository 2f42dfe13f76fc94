package keystore

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// holdEnv makes this test binary hold the store that it names, until its
// standard input ends.
const holdEnv = "KEYGATE_TEST_HOLD"

// Tests wait for the disk: more of them run at once than there are processors, unless
// -parallel says otherwise. With addresses of 32 bits, files of several tests do not fit
// side by side.
func TestMain(m *testing.M) {
	path := os.Getenv(holdEnv)
	if path == "" {
		atOnce := "8"
		if strconv.IntSize == 32 {
			atOnce = "1"
		}
		if err := flag.Set("test.parallel", atOnce); err != nil { // the command line is read later
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(m.Run())
	}
	if _, err := OpenBolt(path); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("held")
	io.Copy(io.Discard, os.Stdin)
}

func TestInUse(t *testing.T) {
	t.Parallel()
	path := writeStore(t, 1)
	holder := exec.Command(os.Args[0])
	holder.Env = append(os.Environ(), holdEnv+"="+path)
	stdin, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { holder.Process.Kill(); holder.Wait() })
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "held\n" {
		t.Fatalf("the holder says %q, %v", line, err)
	}

	// A machine that stops makes one of three attempts take long, and what waits for
	// longer all of them.
	var took time.Duration
	for range 3 {
		start := time.Now()
		_, err = OpenBolt(path)
		if took = time.Since(start); took <= 5*lockTimeout {
			break
		}
	}
	want := []string{path, "in use", "use the admin API of the Caddy that serves it (leave out --db), or stop it first"}
	if runtime.GOOS == "linux" {
		want = append(want, fmt.Sprintf("by process %d (%.15s)", holder.Process.Pid, filepath.Base(os.Args[0])))
	}
	checkInUse(t, err, want)
	if took < lockTimeout/2 || took > 5*lockTimeout {
		t.Errorf("it took %v; want about a second", took)
	}

	stdin.Close()
	if err := holder.Wait(); err != nil {
		t.Fatal(err)
	}
	openTest(t, path)
}

func TestInUseByItself(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keygate.db")
	first := openTest(t, path)
	_, err := OpenBolt(path)
	want := []string{"in use"}
	if runtime.GOOS == "linux" {
		want = append(want, "by this process")
	}
	checkInUse(t, err, want)
	if err := first.Create(testKey(t), testActor); err != nil {
		t.Errorf("the first open no longer works: %v", err)
	}
}

func checkInUse(t *testing.T, err error, want []string) {
	t.Helper()
	if !errors.Is(err, ErrInUse) {
		t.Fatalf("open: %v; want ErrInUse", err)
	}
	for _, part := range want {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
}
