package openapi

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"sort"
	"strings"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"
)

// Proposal is how a document may be read so that more of it can be mapped.
type Proposal struct {
	Options Options

	// Unmapped are scopes of the document that are in another form and that have
	// to be mapped by hand: those with a star, which would be a pattern.
	Unmapped []string
}

// Propose reads a document without options, and says which would help: the
// scheme that most operations name, a scope for each that is in another form,
// and that operations without security need any valid key. None of them opens an
// operation to who may not call it by the document: no two scopes become one.
func Propose(path string) (*Document, Proposal, error) {
	d, p, several, err := load(path, Options{}, true)
	if err != nil {
		return nil, Proposal{}, err
	}
	var proposal Proposal
	if several {
		proposal.Options.Scheme = p.scheme
	}
	taken := make(map[string]bool)
	scopes := slices.Sorted(maps.Keys(p.seen))
	for _, scope := range scopes {
		taken[scope] = apikey.CheckScope(scope) == nil
	}
	for _, scope := range scopes {
		switch {
		case taken[scope]:
		case scope == "" || strings.Contains(scope, "*"):
			proposal.Unmapped = append(proposal.Unmapped, scope)
		default:
			target := proposeScope(scope, taken)
			taken[target] = true
			proposal.Options.ScopeMap = append(proposal.Options.ScopeMap, ScopeMapping{scope, []string{target}})
		}
	}
	if slices.ContainsFunc(d.Operations, func(o Operation) bool { return o.Problem != nil && o.Problem.Kind == NoSecurity }) {
		proposal.Options.Default = &Default{Access: access.Authenticated}
	}
	return d, proposal, nil
}

// proposeScope makes a scope that is not taken of one in another form: of a URL
// its last part, and of what is left the text after the last separator is the
// action.
func proposeScope(scope string, taken map[string]bool) string {
	text := strings.TrimRight(strings.ToLower(scope), "/:. ")
	if _, path, isURL := strings.Cut(text, "://"); isURL {
		text = path[strings.LastIndexByte(path, '/')+1:]
	}
	resource, action := "api", text
	if i := strings.LastIndexAny(text, ":./ "); i >= 0 {
		resource, action = text[:i], text[i+1:]
	}
	const most = apikey.MaxScopeLen/2 - 4 // with room for a number
	resource, action = scopePart(resource, "api", most), scopePart(action, "use", most)
	name := func(n int) string {
		if n == 1 {
			return resource + ":" + action
		}
		return fmt.Sprintf("%s:%s-%d", resource, action, n)
	}
	// Numbers are taken one after the other, but for those that the document has
	// itself: of these another free one is found.
	free := func() int {
		return 1 + sort.Search(math.MaxInt32, func(n int) bool { return !taken[name(n+1)] })
	}
	n := free()
	if apikey.CheckScope(name(n)) != nil { // it could be taken for a key
		resource, action = "api", "use"
		n = free()
	}
	return name(n)
}

// scopePart makes a part of a scope of a text, or returns otherwise.
func scopePart(text, otherwise string, most int) string {
	part := strings.Map(func(c rune) rune {
		if 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '_' {
			return c
		}
		return '-'
	}, text)
	part = strings.TrimLeft(part, "0123456789_-")
	if part = strings.TrimRight(part[:min(len(part), most)], "-"); part == "" {
		return otherwise
	}
	return part
}
