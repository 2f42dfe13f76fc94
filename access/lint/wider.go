package lint

import (
	"strings"

	"github.com/socialpatra/keygate/access"
)

// checkWider finds denied operations whose requests a wider route of a document
// would let in, if the document did not have them: clients that came in so far
// stay out, whether or not anybody meant that.
func (s *site) checkWider(f *findings) {
	table := s.withoutDenied()
	if table == nil {
		return
	}
	for _, o := range s.operations {
		if o.Problem == nil || o.Route == nil || s.covered[o] {
			continue
		}
		r := table.Match(o.Method, exampleOf(o.Route.Pattern))
		if r == nil {
			continue
		}
		advice := "serve it at another path"
		if line := o.DenyLine(); line != "" {
			advice = "if it is to stay denied, write in keygate: " + line
		}
		f.add(WiderRoute, o.Source, "%s %s is denied, and but for it %s%s would serve its requests, with %s; %s", o.Method, o.Path, r, inSource(r), needsOf(r), advice)
	}
}

// withoutDenied is the table of the documents as if they had no denied operation;
// nil where nothing is left, or nothing is denied.
func (s *site) withoutDenied() *access.Table {
	var routes []access.Route
	denied := false
	for _, d := range s.Documents {
		for _, r := range d.Routes() {
			if r.Access == access.Denied {
				denied = true
			} else {
				routes = append(routes, r)
			}
		}
	}
	if !denied || len(routes) == 0 {
		return nil
	}
	table, err := access.NewTable(routes)
	if err != nil {
		return nil
	}
	return table
}

// exampleOf returns the path of a request for a pattern, and for none that is
// more specific.
func exampleOf(pattern string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(pattern, "{")
		b.WriteString(before)
		if !found {
			break
		}
		b.WriteString("zz9")
		_, pattern, _ = strings.Cut(rest, "}")
	}
	path := b.String()
	if strings.HasSuffix(path, "/*") {
		return strings.TrimSuffix(path, "*") + "zz9"
	}
	return path
}
