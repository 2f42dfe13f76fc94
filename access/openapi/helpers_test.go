package openapi_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/socialpatra/keygate/access/openapi"
)

// write makes a folder of files and returns the path of the document, which is
// the one in it that is called openapi.
func write(t testing.TB, files map[string]string) string {
	t.Helper()
	folder, document := t.TempDir(), ""
	for name, text := range files {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(name, "openapi.") {
			document = path
		}
	}
	return document
}

// one is a document in a single file of YAML.
func one(text string) map[string]string { return map[string]string{"openapi.yaml": text} }

func mustRead(t testing.TB, files map[string]string, o openapi.Options) *openapi.Document {
	t.Helper()
	d, err := openapi.Read(write(t, files), o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// isRefusal reports whether an error has just this text. Where that ends with a
// colon and a space, the words of Go or of the system follow, which they may change.
func isRefusal(err error, want string) bool {
	if err == nil {
		return false
	}
	said, ok := strings.CutPrefix(err.Error(), want)
	return ok && strings.HasSuffix(want, ": ") == (said != "")
}

// refused checks that a document is refused with just this text, see isRefusal.
func refused(t testing.TB, files map[string]string, o openapi.Options, want string) {
	t.Helper()
	d, err := openapi.Read(write(t, files), o)
	if err == nil {
		t.Fatalf("Read = %v, want an error", operations(d))
	}
	if _, ok := errors.AsType[*openapi.Error](err); !ok {
		t.Errorf("the error is a %T", err)
	}
	if !isRefusal(err, want) {
		t.Errorf("Read:\n got %s\nwant %s", err, want)
	}
}

// operations shows those of a document, one a line.
func operations(d *openapi.Document) string {
	var b strings.Builder
	for i := range d.Operations {
		o := &d.Operations[i]
		b.WriteString(o.Source + " " + o.Method + " " + o.Path + " -> ")
		b.WriteString(outcome(o) + "\n")
	}
	return b.String()
}

// outcome shows what an operation becomes.
func outcome(o *openapi.Operation) string {
	if p := o.Problem; p != nil {
		return string(p.Kind) + ": " + p.Text
	}
	r := o.Route
	s := r.String() + " " + string(r.Access) + r.Scopes.String()
	if r.Cost != 0 {
		s += " cost=" + strconv.Itoa(r.Cost)
	}
	if r.WebSocket {
		s += " websocket"
	}
	return s
}

// toJSON writes YAML as JSON, in another order.
func toJSON(t testing.TB, text string) string {
	t.Helper()
	var v map[string]any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	out, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func jsonText(t testing.TB, s string) string {
	t.Helper()
	out, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
