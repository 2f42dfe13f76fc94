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

	// Unmapped are scopes of the document that are in another form, and that no
	// line of a Caddyfile can be for alone: with a star, which would be a pattern, or
	// with characters that no word of it has.
	Unmapped []string
}

// Propose reads a document without options, and returns the options that would help:
// the scheme that most operations name, the base path of most if servers differ, a
// scope for each that keys cannot hold as it is, and any valid key for operations
// without security. None of them lets in anybody whom the document keeps out: no two
// scopes become one.
func Propose(path string) (*Document, Proposal, error) {
	var proposal Proposal
	d, p, err := load(path, &proposal.Options, true)
	if err != nil {
		return nil, Proposal{}, err
	}
	for _, scope := range slices.Sorted(maps.Keys(p.seen)) {
		if areScopes(p.seen[scope]) {
			continue
		}
		if m := p.proposed(scope); m.Line() != "" {
			proposal.Options.ScopeMap = append(proposal.Options.ScopeMap, m)
		} else {
			proposal.Unmapped = append(proposal.Unmapped, scope)
		}
	}
	if slices.ContainsFunc(d.Operations, func(o Operation) bool { return o.Problem != nil && o.Problem.Kind == NoSecurity }) {
		proposal.Options.Default = &Default{Access: access.Authenticated}
	}
	return d, proposal, nil
}

// proposed returns a mapping for a scope that keys cannot hold as it is. Keys hold
// its target for no other scope of the document. The mapping is empty for a scope
// with a star, which would be a pattern.
func (p *policy) proposed(scope string) ScopeMapping {
	if p.proposals == nil {
		p.proposals = make(map[string]ScopeMapping)
		taken := make(map[string]bool)
		for _, mapped := range p.seen {
			for _, s := range mapped {
				taken[s] = true
			}
		}
		for _, source := range slices.Sorted(maps.Keys(p.seen)) {
			if source == "" || strings.Contains(source, "*") || areScopes(p.seen[source]) {
				continue
			}
			target := proposeScope(source, taken)
			taken[target] = true
			p.proposals[source] = ScopeMapping{source, []string{target}}
		}
	}
	return p.proposals[scope]
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
	// The search expects that taken numbers leave no gaps. The document's own scopes
	// may leave some. The search then ends at another free number.
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
