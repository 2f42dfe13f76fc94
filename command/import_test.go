package command

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/internal/apitest"
)

// The bar is on stderr, only where that is a terminal, and gone at the end.
func TestCommandImportBar(t *testing.T) {
	for i, door := range doors(t) {
		t.Run(door.name, func(t *testing.T) {
			for _, tt := range []struct {
				name    string
				watched int
				args    []string
				shown   bool
			}{
				{"terminal", 80, nil, true},
				{"no terminal", 0, nil, false},
				{"JSON", 80, []string{"--json"}, false},
			} {
				t.Run(tt.name, func(t *testing.T) {
					door := doors(t)[i]
					var lines strings.Builder
					for n := range 2500 { // CreateAll tells after each thousand
						lines.WriteString(apitest.OpaqueLine(fmt.Sprint(n)) + "\n")
					}
					path := filepath.Join(t.TempDir(), "keys.jsonl")
					if err := os.WriteFile(path, []byte(lines.String()), 0o600); err != nil {
						t.Fatal(err)
					}
					o := person{watched: tt.watched}.run(append(append([]string{"import", path}, tt.args...), door.args...)...)
					if o.failed || !strings.Contains(o.stdout, "2500") {
						t.Fatalf("%+v", o)
					}
					if !tt.shown {
						if o.stderr != "" && !strings.HasPrefix(o.stderr, "made a new key store") {
							t.Errorf("stderr %q", o.stderr)
						}
						return
					}
					for _, want := range []string{"\rChecking 100 %", "\rStoring   40 %", "1000 of 2500 keys", "\rStoring  100 %"} {
						if !strings.Contains(o.stderr, want) {
							t.Errorf("no %q in %q", want, o.stderr)
						}
					}
					if !strings.HasSuffix(o.stderr, "\r\x1b[K") {
						t.Errorf("the bar is left on the terminal: %q", o.stderr)
					}
				})
			}
		})
	}
}
