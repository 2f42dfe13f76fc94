package console

import (
	"bytes"
	"fmt"
	"html/template"
	"net/http"
	"path"
	"slices"
	"strings"
)

// templates are those of each page, with the layout and the parts that all share.
type templates map[string]*template.Template

func parseTemplates() (templates, error) {
	common, err := template.New("layout.html").Funcs(template.FuncMap{"number": anyNumber, "dict": dict}).ParseFS(files, "templates/layout.html", "templates/parts.html")
	if err != nil {
		return nil, fmt.Errorf("templates of the page: %w", err)
	}
	entries, err := files.ReadDir("templates")
	if err != nil {
		return nil, fmt.Errorf("templates of the page: %w", err)
	}
	set := make(templates)
	for _, entry := range entries {
		name := strings.TrimSuffix(entry.Name(), path.Ext(entry.Name()))
		if name == "layout" || name == "parts" {
			continue
		}
		page, err := common.Clone()
		if err == nil {
			page, err = page.ParseFS(files, "templates/"+entry.Name())
		}
		if err != nil {
			return nil, fmt.Errorf("templates of the page: %w", err)
		}
		set[name] = page
	}
	return set, nil
}

// dict gives a template several values by name.
func dict(pairs ...any) map[any]any {
	values := make(map[any]any)
	for pair := range slices.Chunk(pairs, 2) {
		values[pair[0]] = pair[1]
	}
	return values
}

// shell is what every page shows around its own content.
type shell struct {
	Site   string // what the whole page is called
	Title  string // of this page
	Base   string
	CSS    string
	JS     string
	Where  string // the workspace; "" if all, or unknown
	All    bool   // the visitor sees all workspaces
	Actor  string
	Notice string
	Plain  bool // no links to other pages
	May    map[string]bool
	Kept   []typed // what was typed, for a page that does not show the form again
}

// shell returns that of a page with a title.
func (v *visit) shell(title string) shell {
	s := v.Page.shell(title)
	s.May = make(map[string]bool)
	for _, verb := range v.policy.May {
		s.May[string(verb)] = true
	}
	s.All, s.Actor = v.all(), v.policy.Actor
	if !s.All {
		s.Where = v.policy.Workspace
	}
	s.Notice = notices[v.r.URL.Query().Get("done")]
	s.Kept = typedIn(v.typed)
	return s
}

func (p *Page) shell(title string) shell {
	return shell{Site: p.title, Title: title, Base: p.base, CSS: p.base + stylesheet.name, JS: p.base + script.name}
}

// show answers with a page. It renders the page whole before it writes any of it,
// so that a failure is not half a page.
func (p *Page) show(w http.ResponseWriter, status int, name string, data any) error {
	var page bytes.Buffer
	if err := p.templates[name].Execute(&page, data); err != nil {
		return &refusal{status: http.StatusInternalServerError, err: err}
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes()) // fails only if nobody reads the answer
	return nil
}

func (v *visit) show(status int, name string, data any) error {
	return v.Page.show(v.w, status, name, data)
}

// showSecret is show for the answers to a creation or rotation, which may have a
// token: no browser may keep them.
func (v *visit) showSecret(status int, name string, data any) error {
	v.w.Header().Set("Cache-Control", "no-store")
	return v.show(status, name, data)
}
