package openapis

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	_ "embed"
)

//go:embed sample.txt
var sampleText string

// sample is the names of the documents that CI tries, chosen by a hash of the
// name.
func sample() map[string]bool {
	names := make(map[string]bool)
	for name := range strings.FieldsSeq(sampleText) {
		names[name] = true
	}
	return names
}

// eachDocument calls f for the documents of the package, an archive of npm.
func eachDocument(t *testing.T, f func(name string, data []byte)) {
	t.Helper()
	archive := os.Getenv("KEYGATE_OPENAPIS")
	if archive == "" {
		t.Fatal("KEYGATE_OPENAPIS is not set; run bash .ci/run openapis, which fetches the documents")
	}
	file, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(unzipped); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		name, ok := strings.CutPrefix(header.Name, "package/api/")
		if !ok || !strings.HasSuffix(name, ".json") {
			continue
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(fmt.Errorf("%s: %w", name, err))
		}
		f(name, data)
	}
}
