package lint

import (
	"strings"

	"github.com/socialpatra/keygate/access/openapi"
	"github.com/socialpatra/keygate/apikey"
)

// checkOperations finds operations that could not be mapped. One whose requests a
// written route takes as a whole counts as mapped by hand.
func (s *site) checkOperations(f *findings) {
	for _, o := range s.operations {
		if o.Problem != nil && !s.covered[o] {
			f.add(Code(o.Problem.Kind), o.Source, "%s %s: %s", o.Method, o.Path, o.Problem.Text)
		}
	}
}

// checkScopeMap finds mappings that nothing needs, and scopes that say less to
// keys than the document does.
func (s *site) checkScopeMap(f *findings) {
	for _, d := range s.Documents {
		for _, m := range d.UnusedMappings {
			f.add(UnusedScopeMap, d.File, "a scope_map is for no operation; mend its spelling, or remove from the openapi block: %s", lineOf(m))
		}
		for _, m := range d.Merged {
			var sources []string
			for _, source := range m.Sources {
				sources = append(sources, apikey.Quote(source))
			}
			f.add(MergedScopes, d.File, "%s stands for %s: whoever holds it for one may do what the others are for; give each a scope of its own in the scope_map lines of the openapi block", m.Scope, strings.Join(sources, ", "))
		}
	}
}

// lineOf returns a mapping as it is written; of a config in JSON it may be one
// that no line can have.
func lineOf(m openapi.ScopeMapping) string {
	if line := m.Line(); line != "" {
		return line
	}
	return "scope_map " + apikey.Quote(m.Source)
}

// checkHeader finds headers that clients are told to send keys in, and that
// the gateway does not read.
func (s *site) checkHeader(f *findings) {
	for _, d := range s.Documents {
		switch {
		case d.KeyHeader == "" || d.KeyHeader == s.Header:
		case s.Header == "":
			f.add(KeyHeader, d.SchemeSource, "clients are told to send their key in %s, which is not read; write in keygate: header %[1]s", d.KeyHeader)
		default:
			f.add(KeyHeader, d.SchemeSource, "clients are told to send their key in %s, but %s is read; write in place of that in keygate: header %[1]s", d.KeyHeader, s.Header)
		}
	}
}
