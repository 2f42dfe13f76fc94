package console

import (
	"flag"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/adminapi"
)

var update = flag.Bool("update", false, "write what pages look like into testdata")

// What differs from one run to the next, and what changes with every touch of the
// stylesheet or the script.
var changing = strings.NewReplacer(stylesheet.name, "/assets/page.css", script.name, "/assets/page.js")

var random = regexp.MustCompile(`(name="nonce" value=")\w+|(name="etag" value=")[^"]+|[0-9A-Za-z]{12}_[0-9A-Za-z]{38}`)

// The pages that most people see are as they were reviewed. To review them again:
// go test ./console -run Golden -update
func TestGoldenPages(t *testing.T) {
	s := newSite(t)
	id := s.has(1, named("Zapier - product launches"), holding("posts:read", "posts:write"), ending(start.Add(20*24*time.Hour)))
	s.has(2, named("Zendesk"), disabled)
	s.wait(3 * time.Hour)
	s.used(id, 812, 3, 1)
	path := "/keys/" + id.String()
	pages := map[string]func() answer{
		"list":    func() answer { return s.get("/") },
		"new":     func() answer { return s.get("/new?preset=reporting") },
		"wrong":   func() answer { return s.post("/new", url.Values{"description": {"<b>"}, "per_minute": {"x"}}) },
		"summary": func() answer { return s.post("/new", typedForm("step", "check")) },
		"key":     func() answer { return s.get(path) },
		"delete":  func() answer { return s.get(path + "/delete") },
		"refused": func() answer {
			return s.post(path+"/explain", url.Values{"method": {"GET"}, "path": {"/v1/invoices"}})
		},
		"empty": func() answer {
			s.authority.Workspace, s.authority.Bounds.Keys = "fresh", 25
			defer func() { s.authority.Workspace, s.authority.Bounds = "acme", adminapi.Bounds{} }()
			return s.get("/")
		},
	}
	for name, page := range pages {
		t.Run(name, func(t *testing.T) {
			got := random.ReplaceAllString(changing.Replace(page().body), "${1}${2}…")
			file := filepath.Join("testdata", name+".html")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("the page has changed: look at it, then run with -update\n%s", firstDifference(got, string(want)))
			}
		})
	}
}

func firstDifference(got, want string) string {
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(gotLines), len(wantLines)) {
		if gotLines[i] != wantLines[i] {
			return "got  " + gotLines[i] + "\nwant " + wantLines[i]
		}
	}
	return "one is longer"
}
