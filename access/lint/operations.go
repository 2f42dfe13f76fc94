package lint

import (
	"strings"

	"github.com/socialpatra/keygate/apikey"
)

// checkOperations finds operations that become no route. One that a written
// route takes as a whole was mapped by hand.
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
			f.add(UnusedScopeMap, d.File, "scope_map %s is for no operation; remove it, or mend its spelling", apikey.Quote(m.Source))
		}
		for _, m := range d.Merged {
			var sources []string
			for _, source := range m.Sources {
				sources = append(sources, apikey.Quote(source))
			}
			f.add(MergedScopes, d.File, "%s stands for %s: whoever holds it for one may do what the others are for; give each a scope of its own by scope_map", m.Scope, strings.Join(sources, ", "))
		}
	}
}

// checkHeader finds headers that clients are told to send keys in, and that
// the gateway does not read.
func (s *site) checkHeader(f *findings) {
	for _, d := range s.Documents {
		switch {
		case d.KeyHeader == "" || d.KeyHeader == s.Header:
		case s.Header == "":
			f.add(KeyHeader, d.SchemeSource, "clients are told to send their key in %s, which is not read; add header %[1]s to the gateway", d.KeyHeader)
		default:
			f.add(KeyHeader, d.SchemeSource, "clients are told to send their key in %s, but %s is read; write header %[1]s in the gateway in place of header %[2]s", d.KeyHeader, s.Header)
		}
	}
}
