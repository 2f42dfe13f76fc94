package openapis

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/socialpatra/keygate/apikey"
)

// Kinds of differences between a document and the gateway.
const (
	wider       = "served wider than the document says"
	lost        = "lost without a finding"
	unexplained = "denied for no reason that docs/openapi.md gives"
	refused     = "refused for no reason that docs/openapi.md gives"
	tooMuch     = "takes more than 10 s or 1 GB"
	panicked    = "panics"
)

const differInNames = "two paths that differ in names alone"

// difference is what a document says and the gateway does not do.
type difference struct {
	kind    string
	reading reading
	method  string
	path    string
	detail  string
}

func (d difference) String() string {
	return fmt.Sprintf("%s: %s %s: %s (with %s)", d.kind, d.method, d.path, d.detail, d.reading)
}

// methods are all that requests are tried with.
var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "TRACE"}

// comparison holds a gateway against what a document says, in one reading.
type comparison struct {
	spec    *spec
	reading reading
	paths   *paths
	probes  []probe
	gateway *gateway // nil if the document is refused
	refusal string   // why, if docs/openapi.md says so
	tally   *tally

	callers map[*operation]callers
	leftOut map[*operation]string
	passed  map[*operation]bool // the gateway served some request of it

	everything *apikey.ScopeSet
	holdsAll   map[string]bool
	found      []difference
}

func (c *comparison) report(kind, method, path, format string, args ...any) {
	c.found = append(c.found, difference{kind, c.reading, method, path, fmt.Sprintf(format, args...)})
}

// prepare computes what the document says.
func (c *comparison) prepare() {
	c.callers = make(map[*operation]callers)
	c.leftOut = make(map[*operation]string)
	c.holdsAll = map[string]bool{"zz:other": true}
	for _, op := range c.spec.operations {
		callers := c.reading.callers(op)
		c.callers[op] = callers
		switch why := c.reading.leftOut(op, c.reading.text(op), callers.sets); {
		case callers.nobody():
			c.leftOut[op] = "no key may call it"
		case why != "":
			c.leftOut[op] = why
		}
		for _, set := range callers.sets {
			for _, scope := range set {
				c.holdsAll[scope] = true
			}
		}
	}
	c.everything = apikey.NewScopeSet(slices.Collect(maps.Keys(c.holdsAll)))
	for _, t := range c.paths.all {
		for method, op := range t.ops {
			if c.leftOut[op] == "" && c.paths.likeAnother(t, method) {
				c.leftOut[op] = "its requests look like those of another path"
			}
		}
	}
	c.leaveOutAlike()
}

// leaveOutAlike follows "such a request is one for /search: the gateway cannot
// tell it from other operations there, so those are denied as well". Of two that
// differ in names alone and need something else the document is refused.
func (c *comparison) leaveOutAlike() {
	shapes := make(map[string][]*operation)
	for _, t := range c.paths.all {
		for _, op := range t.ops {
			shape := op.method + " " + t.fill(allPlain)
			shapes[shape] = append(shapes[shape], op)
		}
	}
	for _, ops := range shapes {
		for _, op := range ops {
			if c.leftOut[op] == "" {
				continue
			}
			for _, o := range ops {
				if c.leftOut[o] == "" {
					c.leftOut[o] = "its requests are those of one that is left out"
				}
			}
		}
		for _, op := range ops[1:] {
			if c.leftOut[op] == "" && !same(c.callers[op], c.callers[ops[0]]) {
				c.spec.doubts[differInNames] = true
			}
		}
	}
}

func same(a, b callers) bool {
	order := func(sets [][]string) string {
		var list []string
		for _, set := range sets {
			list = append(list, strings.Join(set, " "))
		}
		sort.Strings(list)
		return strings.Join(slices.Compact(list), "|")
	}
	return a.anybody == b.anybody && (a.anybody || a.anyKey == b.anyKey && (a.anyKey || order(a.sets) == order(b.sets)))
}

// run asks the gateway for every probe what the document says of it.
func (c *comparison) run() {
	c.passed = make(map[*operation]bool)
	for _, p := range c.probes {
		for _, method := range methods {
			c.ask(&p, method)
		}
	}
	c.checkDenied()
}

// holders are the keys to try for an operation: none, one that has nothing to do
// with it, each of its sets, and each without one of its scopes.
func (c *comparison) holders(ops []*operation) (all []map[string]bool) {
	all = append(all, nil, map[string]bool{"zz:other": true}, c.holdsAll)
	for _, op := range ops {
		for _, set := range c.callers[op].sets {
			all = append(all, setOf(set, -1))
			if len(set) > 1 {
				for i := range set {
					all = append(all, setOf(set, i))
				}
			}
		}
	}
	return all
}

func setOf(list []string, without int) map[string]bool {
	set := make(map[string]bool)
	for i, scope := range list {
		if i != without {
			set[scope] = true
		}
	}
	return set
}

func (c *comparison) scopes(held map[string]bool) *apikey.ScopeSet {
	switch {
	case held == nil:
		return nil
	case len(held) == len(c.holdsAll):
		return c.everything
	}
	return apikey.NewScopeSet(slices.Collect(maps.Keys(held)))
}

func (c *comparison) ask(p *probe, method string) {
	ops := operations(method, p.found)
	if len(ops) == 0 {
		c.tally.requests += 2
		if c.gateway.passes(method, p.path, nil) || c.gateway.passes(method, p.path, c.everything) {
			c.report(wider, method, p.path, "is for no operation of the document and is served (%s)", p.why)
		}
		return
	}
	for _, held := range c.holders(ops) {
		c.tally.requests++
		passes := c.gateway.passes(method, p.path, c.scopes(held))
		// Where OpenAPI leaves open which of several it is, all must let the key in.
		may := !slices.ContainsFunc(ops, func(op *operation) bool { return !c.callers[op].include(held) })
		if passes && len(held) == len(c.holdsAll) {
			for _, op := range ops {
				c.passed[op] = true
			}
		}
		switch {
		case passes && !may:
			c.report(wider, method, p.path, "is served to %s, of %s (%s)", show(held), showOps(c, ops), p.why)
		case !passes && may && p.must && c.mine(p, method, ops) && c.leftOut[ops[0]] == "":
			c.report(lost, method, p.path, "is refused to %s, of %s (%s)", show(held), showOps(c, ops), p.why)
		}
	}
}

// mine reports whether the request is for an operation of the template that the
// probe was made from.
func (c *comparison) mine(p *probe, method string, ops []*operation) bool {
	return len(ops) == 1 && (p.of.ops[method] == ops[0] || method == "HEAD" && p.of.ops["GET"] == ops[0])
}

// checkDenied finds operations that no request with any key reaches and that lint
// does not name, and those that it names for nothing.
func (c *comparison) checkDenied() {
	for _, op := range c.spec.operations {
		name := op.method + " " + c.reading.text(op)
		code, named := c.gateway.findings[name]
		switch {
		case !c.passed[op] && !named:
			c.report(lost, op.method, c.reading.text(op), "no request for it is served, and lint does not name it")
		case named && c.leftOut[op] == "":
			c.report(unexplained, op.method, c.reading.text(op), "lint says %s", code)
		}
		o := c.tally.of(c.reading)
		if named {
			o.denied[string(code)+": "+c.leftOut[op]]++
		} else {
			o.mapped++
		}
	}
}

func show(held map[string]bool) string {
	switch {
	case held == nil:
		return "nobody's key"
	case len(held) > 4:
		return fmt.Sprintf("a key with %d scopes", len(held))
	}
	return "a key with " + strings.Join(slices.Sorted(maps.Keys(held)), " ")
}

func showOps(c *comparison, ops []*operation) string {
	var b strings.Builder
	for _, op := range ops {
		fmt.Fprintf(&b, "%s %s for %s; ", op.method, c.reading.text(op), c.callers[op])
	}
	return strings.TrimSuffix(b.String(), "; ")
}

func (c callers) String() string {
	switch {
	case c.anybody:
		return "anybody"
	case c.anyKey:
		return "any key"
	case c.nobody():
		return "nobody"
	}
	return fmt.Sprint(c.sets)
}
