package caddymodule

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestImportBarText(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{readingText(0, 543_549_129, 80), "Checking   0 %  [----------------------------------------]  0.0 MB of 543.5 MB"},
		{readingText(271_774_564, 543_549_129, 80), "Checking  49 %  [###################--------------------]  271.8 MB of 543.5 MB"},
		{readingText(543_549_129, 543_549_129, 80), "Checking 100 %  [#######################################]  543.5 MB of 543.5 MB"},
		{readingText(600_000_000, 543_549_129, 60), "Checking 100 %  [###################]  600.0 MB of 543.5 MB"},
		{readingText(271_774_564, 543_549_129, 42), "Checking  49 %  271.8 MB of 543.5 MB"},
		{readingText(271_774_564, 543_549_129, 20), "Checking  49 %  27…"},
		{readingText(271_774_564, 0, 80), "Checking  271.8 MB"},
		{storingText(400_000, 1_000_000, 80), "Storing   40 %  [##############-----------------------]  400000 of 1000000 keys"},
		{storingText(1_000_000, 1_000_000, 80), "Storing  100 %  [########################################]  writing to disk"},
		{storingText(0, 1, 300), "Storing    0 %  [----------------------------------------]  0 of 1 key"},
	} {
		if tt.got != tt.want {
			t.Errorf("\ngot  %q\nwant %q", tt.got, tt.want)
		}
	}
	for width := range 200 {
		for _, text := range []string{readingText(1<<29, 1<<30, width), readingText(1<<29, 0, width), storingText(1, 2, width)} {
			if displayWidth(text) > max(width-1, 1) {
				t.Errorf("%q is wider than %d", text, width-1)
			}
		}
	}
}

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
						lines.WriteString(opaqueLine(fmt.Sprint(n)) + "\n")
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
					if !strings.HasSuffix(o.stderr, "\r"+eraseLine) {
						t.Errorf("the bar is left on the terminal: %q", o.stderr)
					}
				})
			}
		})
	}
}

// What is not the last answer is sent only to those who ask for it.
func TestTellProgress(t *testing.T) {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, ImportPath, nil)
	if tellProgress(httptest.NewRecorder(), r) != nil {
		t.Error("progress that nobody asked for")
	}
	var told []string
	w := newPipedResponse(askProgress(r, func(done, all int) { told = append(told, fmt.Sprintf("%d/%d", done, all)) }, nil))
	tell := tellProgress(w, r)
	start := time.Now()
	for done := 1; done <= 1000; done++ {
		tell(done, 1000)
	}
	if most := 2 + int(time.Since(start)/progressPause); len(told) < 2 || len(told) > most || told[0] != "1/1000" || told[len(told)-1] != "1000/1000" {
		t.Errorf("told %q, want the first, the last and at most %d", told, most)
	}
	if w.Header().Get(progressHeader) != "" {
		t.Error("the header is left for the answer")
	}
	for _, text := range []string{"", "1", "2/1", "-1/1", "x/y", "1/"} {
		if _, _, ok := parseProgress(text); ok {
			t.Errorf("%q is progress", text)
		}
	}
}
