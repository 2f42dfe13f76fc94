package command

import (
	"encoding/json"
	"maps"
	"net/textproto"
	"slices"
	"strings"

	"github.com/socialpatra/keygate/internal/jsontree"
)

// passage follows requests through the routes of a server, mostly to one
// keygate_console, and collects in which states they arrive there. A matcher may match or not,
// unless the console serves only what it matches, or only what it does not.
type passage struct {
	server any
	isGoal func(handler any) bool
	ends   func(handler any) bool // unless nil, whether requests end at a handler, asked before all else
	below  string                 // the base of the console
	base   string                 // the same with the prefix that may be taken off on the way

	knowsPaths bool     // matchers of paths are looked into
	headers    []string // that placeholders name, canonical
	groups     map[string]int
	matchers   map[string]int // how often each is in the server
	hosts      []string       // of the route that is followed
	depth      int            // nesting of named routes, which may invoke each other
	trace      *states        // where an error could happen; nil: nobody asks
	arrived    []arrival
}

type arrival struct {
	state
	hosts []string
}

func newPassage(server any, isGoal func(any) bool, base string) *passage {
	p := &passage{server: server, isGoal: isGoal, base: base, below: base, groups: make(map[string]int), matchers: make(map[string]int)}
	p.count(server, 1)
	slices.Sort(p.headers)
	p.headers = slices.Compact(p.headers)
	return p
}

// count learns which groups are in one list of routes alone, which matchers are
// there more than once, and which headers are asked for.
func (p *passage) count(tree any, times int) {
	switch tree := tree.(type) {
	case []any:
		groups := make(map[string]bool)
		for _, element := range tree {
			if group := jsontree.Text(element, "group"); group != "" {
				groups[group] = true
			}
			if name, _ := fact(jsontree.At(element, "match")); name != "" {
				p.matchers[name]++
			}
			p.count(element, times)
		}
		for group := range groups {
			p.groups[group] += times
		}
	case string:
		for _, name := range placeholdersIn(tree) {
			if header, ok := strings.CutPrefix(name, headerPrefix); ok {
				p.headers = append(p.headers, textproto.CanonicalMIMEHeaderKey(header))
			}
			if strings.HasPrefix(name, cookiePrefix) {
				p.headers = append(p.headers, "Cookie")
			}
		}
	case map[string]any:
		for name, member := range tree {
			if name == "named_routes" {
				times = 2 // they may be invoked again
			}
			p.count(member, times)
		}
	}
}

// run follows all requests from the beginning.
func (p *passage) run() {
	all := make(states)
	p.trace = &all
	p.routes(jsontree.At(p.server, "routes"), newStates())
	// The routes for errors get a request with its path as it came. An error may
	// happen before any handler has done what it does.
	failed := newStates()
	failed.addAll(all.each(func(s *state) { s.facts, s.stripped, s.rewritten = nil, "", false }))
	p.trace = nil
	p.routes(jsontree.At(p.server, "errors", "routes"), failed)
}

// mostStates bounds what is looked at together. If there are more, what matchers
// said is forgotten, so that each may say anything again.
const mostStates = 128

func isMatch(fact string) bool { return strings.HasPrefix(fact, "match ") }

// routes follows routes in order and returns the requests that go on behind them.
// At most one route of a group is taken, and nothing goes on behind a terminal one.
func (p *passage) routes(list any, in states) states {
	for _, route := range jsontree.List(list) {
		group := jsontree.Text(route, "group")
		out, matched := make(states), make(states)
		for _, s := range in {
			if group != "" && s.facts["group "+group] {
				out.add(s)
				continue
			}
			p.fork(jsontree.At(route, "match"), s, matched, out)
		}
		if group != "" {
			matched = matched.each(func(s *state) { s.learn("group "+group, true) })
		}
		if len(matched) == 0 {
			in = out
			continue
		}
		hosts := p.hosts
		for _, matcher := range jsontree.List(route, "match") {
			if named := jsontree.Texts(matcher, "host"); len(named) > 0 {
				p.hosts = named
			}
		}
		for _, handler := range jsontree.List(route, "handle") {
			matched = p.handler(handler, matched)
		}
		p.hosts = hosts
		if !jsontree.IsTrue(route, "terminal") {
			out.addAll(matched)
		}
		in = out
		if len(in) > mostStates {
			in = in.each(func(s *state) { s.forget(isMatch) })
		}
	}
	// What is not asked about again is forgotten, so that states become one.
	for _, route := range jsontree.List(list) {
		if group := jsontree.Text(route, "group"); group != "" && p.groups[group] < 2 {
			in = in.each(func(s *state) { s.forget(func(name string) bool { return name == "group "+group }) })
		}
	}
	return in
}

// fork adds a request to those that a route's matchers match, to the others, or to
// both.
func (p *passage) fork(match any, s state, matched, others states) {
	always, never := p.byPath(match, &s)
	name, is := fact(match)
	if known, ok := s.facts[name]; ok && name != "" {
		always, never = known == is, known != is
	}
	remember := name != "" && p.matchers[name] > 1
	if !never {
		hit := s.clone()
		if remember {
			hit.learn(name, is)
		}
		matched.add(hit)
	}
	if !always {
		miss := s.clone()
		if remember {
			miss.learn(name, !is)
		}
		others.add(miss)
	}
}

// fact names what a route's matchers ask, so that the same question has the same
// answer. is is false for a negation.
func fact(match any) (name string, is bool) {
	is = true
	if sets, _ := match.([]any); len(sets) == 0 {
		return "", is
	} else if set, _ := sets[0].(map[string]any); len(sets) == 1 && len(set) == 1 && set["not"] != nil {
		match, is = set["not"], false
	}
	text, err := json.Marshal(match)
	if err != nil {
		return "", is
	}
	return "match " + string(text), is
}

// byPath reports whether matchers match all that the console serves, or none of it.
func (p *passage) byPath(match any, s *state) (always, never bool) {
	sets, _ := match.([]any)
	if len(sets) == 0 {
		return true, false
	}
	if !p.knowsPaths {
		return false, false
	}
	always, never = matchesBelow(sets, p.below)
	if s.stripped == "" && p.base != p.below {
		// A prefix is taken off only where there is one.
		alwaysToo, neverToo := matchesBelow(sets, p.base)
		always, never = always && alwaysToo, never && neverToo
	}
	return always, never
}

// matchesBelow looks at the paths that sets of matchers name. Whoever asks about
// anything else may match or not.
func matchesBelow(sets []any, base string) (always, never bool) {
	var patterns []string // of the sets that ask about nothing else
	never = true
	for _, set := range sets {
		set, _ := set.(map[string]any)
		if not, ok := set["not"].([]any); ok {
			allOf, noneOf := matchesBelow(not, base)
			never = never && allOf
			if noneOf && len(set) == 1 {
				always = true
			}
			continue
		}
		asked := jsontree.Texts(set, "path")
		never = never && len(asked) > 0 && !slices.ContainsFunc(asked, func(pattern string) bool { return touches(pattern, base) })
		if len(set) == 1 {
			patterns = append(patterns, asked...)
		}
	}
	return always || covers(patterns, base), never
}

// covers reports whether patterns match the base and every path below it. Caddy
// cleans paths before it compares them, without regard to case; a path that is not
// clean is nowhere in a console.
func covers(patterns []string, base string) bool {
	itself, below := base == "", false
	for _, pattern := range patterns {
		prefix, isPrefix := strings.CutSuffix(strings.ToLower(pattern), "*")
		if strings.ContainsAny(prefix, "*?[{%\\") || strings.Contains(prefix, "//") {
			continue
		}
		base := strings.ToLower(base)
		itself = itself || prefix == base || isPrefix && strings.HasPrefix(base, prefix)
		below = below || isPrefix && strings.HasPrefix(base+"/", prefix)
	}
	return itself && below
}

// touches reports whether a pattern may match the base or a path below it.
func touches(pattern, base string) bool {
	pattern, base = strings.ToLower(pattern), strings.ToLower(base)
	literal := pattern
	if i := strings.IndexAny(pattern, "*?[{%\\"); i >= 0 {
		literal = pattern[:i]
		if strings.HasPrefix(base, literal) {
			return true
		}
	}
	return literal == base || strings.HasPrefix(literal, base+"/")
}

// states are what may have happened to requests that are at one place, one for
// each set of facts.
type states map[string]state

// newStates are those of requests of which nothing is known.
func newStates() states {
	var s state
	return states{s.key(): s}
}

func (all states) add(s state) {
	key := s.key()
	if other, ok := all[key]; ok {
		s = s.or(&other)
	}
	all[key] = s
}

func (all states) addAll(more states) {
	for _, s := range more {
		all.add(s)
	}
}

// each returns what the states become by f.
func (all states) each(f func(*state)) states {
	out := make(states, len(all))
	for _, s := range all {
		s = s.clone()
		f(&s)
		out.add(s)
	}
	return out
}

// state is what is known of requests at one place.
type state struct {
	facts map[string]bool // groups that are taken, and what matchers said

	// For sure:
	cleaned  map[string]bool // headers that a handler has set or deleted, so that they are not the client's
	signedIn bool
	keyed    bool // a keygate has let it in that has nothing public for the console

	// Perhaps:
	chosen    map[string]bool     // vars with what the client says
	mapped    map[string][]string // what the placeholders that a map gives come from
	asked     bool                // a service has answered who it is
	named     bool                // an authentication has said who it is
	unknown   bool                // a handler that is not known has seen it
	rewritten bool                // its path is another, and not only without a prefix
	stripped  string              // the prefix that its path is without
}

func (s *state) clone() state {
	c := *s
	c.facts, c.cleaned, c.chosen, c.mapped = maps.Clone(s.facts), maps.Clone(s.cleaned), maps.Clone(s.chosen), maps.Clone(s.mapped)
	return c
}

func (s *state) key() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(s.facts)) {
		b.WriteString(name)
		if s.facts[name] {
			b.WriteString(" +\n")
		} else {
			b.WriteString(" -\n")
		}
	}
	return b.String()
}

func (s *state) learn(name string, is bool) { set(&s.facts, name, is) }

func (s *state) forget(which func(name string) bool) {
	maps.DeleteFunc(s.facts, func(name string, _ bool) bool { return which(name) })
}

// or is what is known of a request that is like s or like o.
func (s *state) or(o *state) state {
	c := s.clone()
	s = &c
	maps.DeleteFunc(s.cleaned, func(name string, _ bool) bool { return !o.cleaned[name] })
	s.signedIn, s.keyed = s.signedIn && o.signedIn, s.keyed && o.keyed
	for name, chosen := range o.chosen {
		set(&s.chosen, name, chosen || s.chosen[name])
	}
	for name, sources := range o.mapped {
		s.mapTo(name, sources...)
	}
	s.asked, s.named, s.unknown = s.asked || o.asked, s.named || o.named, s.unknown || o.unknown
	s.rewritten = s.rewritten || o.rewritten || s.stripped != o.stripped
	return c
}

// mapTo adds sources of a placeholder, each once.
func (s *state) mapTo(name string, sources ...string) {
	all := slices.Concat(s.mapped[name], sources)
	slices.Sort(all)
	set(&s.mapped, name, slices.Compact(all))
}

func set[V any](m *map[string]V, name string, value V) {
	if *m == nil {
		*m = make(map[string]V)
	}
	(*m)[name] = value
}
