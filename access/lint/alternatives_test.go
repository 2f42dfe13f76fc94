package lint

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/access/openapi"
	"github.com/socialpatra/keygate/apikey"
)

// schemesLine is where the schemes of random documents are.
const schemesLine = 2

// alternative is one requirement of a random document: the scopes of each scheme.
type alternative struct {
	schemes map[string][]string
	line    int // where it is in the document
}

// randomOperation has a line, and alternatives of its own or of the document.
type randomOperation struct {
	method       string
	line         int
	alternatives []*alternative
}

// randomAlternatives writes 1 to 4 requirements, a line each.
func randomAlternatives(r *rand.Rand, text *strings.Builder, indent string) (all []*alternative) {
	for range 1 + r.IntN(4) {
		a := &alternative{schemes: map[string][]string{}, line: strings.Count(text.String(), "\n") + 1}
		var parts []string
		for _, name := range []string{"key", "session", "basic"} {
			if chance := r.IntN(10); name == "key" && chance < 2 || name != "key" && chance < 7 {
				continue
			}
			var scopes []string
			for range r.IntN(4) {
				scopes = append(scopes, []string{"a:read", "b:read", "c:write", "Admin", "x.read", "https://a.example/x"}[r.IntN(6)])
			}
			a.schemes[name] = scopes
			parts = append(parts, name+": ["+strings.Join(quoted(scopes), ", ")+"]")
		}
		if len(parts) == 0 && r.IntN(4) > 0 {
			a.schemes["session"] = nil
			parts = append(parts, "session: []")
		}
		fmt.Fprintf(text, "%s- {%s}\n", indent, strings.Join(parts, ", "))
		all = append(all, a)
	}
	return all
}

func quoted(texts []string) (all []string) {
	for _, text := range texts {
		all = append(all, apikey.Quote(text))
	}
	return all
}

// Nothing that a document says of who may call is lost without a word: each
// alternative of each operation is in the table, or a finding at its place, at that
// of its scheme, or at that of an operation that is denied, says why it is not. And no finding says
// so of one that is in the table.
func TestEveryAlternativeIsInTheTableOrAFinding(t *testing.T) {
	path := filepath.Join(t.TempDir(), "api.yaml")
	kinds := make(map[string]int)
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 0))
		var text strings.Builder
		text.WriteString("openapi: 3.1.0\ncomponents: {securitySchemes: {key: {type: http, scheme: bearer}, session: {type: apiKey, in: cookie, name: s}, basic: {type: http, scheme: basic}}}\n")
		var inherited []*alternative
		if r.IntN(2) > 0 {
			text.WriteString("security:\n")
			inherited = randomAlternatives(r, &text, "  ")
		}
		text.WriteString("paths:\n  /a:\n")
		var operations []*randomOperation
		for _, method := range []string{"get", "put", "post", "delete"} {
			o := &randomOperation{method: strings.ToUpper(method), alternatives: inherited, line: strings.Count(text.String(), "\n") + 1}
			operations = append(operations, o)
			if inherited != nil && r.IntN(2) > 0 {
				fmt.Fprintf(&text, "    %s: {}\n", method)
				continue
			}
			fmt.Fprintf(&text, "    %s:\n      security:\n", method)
			o.alternatives = randomAlternatives(r, &text, "        ")
		}
		if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := openapi.Read(path, openapi.Options{Scheme: "key"})
		if err != nil {
			t.Fatalf("%v\n%s", err, text.String())
		}
		found := Check([]Mapping{{Documents: []*openapi.Document{d}}}, nil)
		for i, o := range operations {
			for _, a := range o.alternatives {
				kind, problem := a.told(o, &d.Operations[i], found)
				if kinds[kind]++; problem != "" {
					t.Fatalf("seed %d: %s, the alternative in line %d: %s\n%s\n%v", seed, o.method, a.line, problem, text.String(), found)
				}
			}
		}
	}
	for _, kind := range []string{"mapped", "wider", "dropped", "denied", "another scheme"} {
		if kinds[kind] == 0 {
			t.Errorf("none is %s: %v", kind, kinds)
		}
	}
}

// told says what became of an alternative, and what of that is not told.
func (a *alternative) told(o *randomOperation, got *openapi.Operation, found []Finding) (kind, problem string) {
	says := func(line int, words ...string) bool {
		return slices.ContainsFunc(found, func(f Finding) bool {
			return f.Where == fmt.Sprint("api.yaml:", line) && !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(f.Problem, w) })
		})
	}
	if got.Problem == nil && got.Route.Access == access.Public {
		return "wider", "" // {} is among the alternatives: no other one matters
	}
	scopes, ours := a.schemes["key"]
	for name := range a.schemes {
		if name != "key" && !says(schemesLine, apikey.Quote(name)) && (got.Problem == nil || ours) {
			return "another scheme", "nothing is said of the scheme " + name
		}
	}
	if !ours {
		return "another scheme", ""
	}
	var bad []string
	for _, scope := range scopes {
		if apikey.CheckScope(scope) != nil {
			bad = append(bad, apikey.Quote(scope))
		}
	}
	switch {
	case got.Problem == nil && got.Route.Access == access.Authenticated:
		return "wider", ""
	case got.Problem == nil && len(bad) == 0:
		set := slices.Compact(slices.Sorted(slices.Values(scopes)))
		if !slices.ContainsFunc(got.Route.Scopes, func(s []string) bool { return slices.Equal(s, set) }) {
			return "mapped", fmt.Sprintf("%v is not in %v", set, got.Route.Scopes)
		}
		if says(a.line, "lets nobody in") {
			return "mapped", "a finding says that it lets nobody in"
		}
		return "mapped", ""
	case got.Problem == nil:
		if !says(a.line, bad...) {
			return "dropped", fmt.Sprintf("no finding names %v", bad)
		}
		return "dropped", ""
	case len(bad) == 0:
		return "denied", "it is denied, though this alternative can be met"
	}
	if !says(o.line, bad...) && !says(a.line, bad...) {
		return "denied", fmt.Sprintf("no finding names %v", bad)
	}
	return "denied", ""
}
