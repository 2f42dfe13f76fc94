package goldentest

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"testing"
)

// Unpacked returns what is in a file that was packed by gzip, such as a store that an
// older version made.
func Unpacked(t testing.TB, path string) []byte {
	t.Helper()
	packed, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return content
}
