package console

import (
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/internal/goldentest"
)

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
	leaked := s.has(3, named("Bot"), of("globex"))
	s.leaks(leaked, "report", "grace")
	s.wait(3 * time.Hour)
	s.used(id, 812, 3, 1)
	path := "/keys/" + id.String()
	pages := map[string]func() answer{
		"list":    func() answer { return s.get("/") },
		"new":     func() answer { return s.get("/new?preset=reporting") },
		"wrong":   func() answer { return s.post("/new", url.Values{"description": {"<b>"}, "per_minute": {"x"}}) },
		"summary": func() answer { return s.post("/new", typedForm("step", "check")) },
		"key":     func() answer { return s.get(path) },
		"review":  func() answer { return s.get("/review") },
		"leaked": func() answer {
			s.authority.Workspace = "globex"
			defer func() { s.authority.Workspace = "acme" }()
			return s.get("/keys/" + leaked.String())
		},
		"delete": func() answer { return s.get(path + "/delete") },
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
			goldentest.Check(t, filepath.Join("testdata", name+".html"), got)
		})
	}
}
