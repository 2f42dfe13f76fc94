package openapi

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"
)

// operation is an operation as the document has it.
type operation struct {
	method string
	path   string
	source string
	inherited

	cost      int // 0: not said
	websocket bool
}

const (
	ourPrefix    = "x-keygate"
	costKey      = "x-keygate-cost"
	webSocketKey = "x-keygate-websocket"
)

// isOurs tells keys that are for the gateway from those of others, and is not
// particular about case: what is misspelt must not be ignored.
func isOurs(key string) bool {
	return len(key) >= len(ourPrefix) && strings.EqualFold(key[:len(ourPrefix)], ourPrefix)
}

// operation reads all of an operation that is its own (OpenAPI 3.1.1 §4.8.10).
// It may have a $ref, which OpenAPI does not know: to take such an operation for
// one without security of its own could open it.
func (r *reader) operation(f *field, above inherited) (operation, error) {
	o := operation{source: f.where(), inherited: above}
	l, err := r.layers(f.value, "operation "+f.name())
	if err != nil {
		return o, err
	}
	servers, err := l.get("servers")
	if err != nil {
		return o, err
	}
	if o.base, err = r.basePath(servers, above.base); err != nil {
		return o, err
	}
	security, err := l.get("security")
	if err != nil {
		return o, err
	}
	if o.security, err = r.security(security, above.security); err != nil {
		return o, err
	}
	for _, m := range l {
		fields, err := r.each(m)
		if err != nil {
			return o, err
		}
		for i := range fields {
			if err := o.setOurs(&fields[i], f.name(), l); err != nil {
				return o, err
			}
		}
	}
	return o, nil
}

// setOurs reads a key of an operation of a method, if it is for the gateway.
func (o *operation) setOurs(f *field, method string, l layers) error {
	if !isOurs(f.name()) {
		return nil
	}
	if _, err := l.get(f.name()); err != nil {
		return err // twice
	}
	value := f.value.node
	switch f.name() {
	case costKey:
		n, err := strconv.Atoi(value.Value)
		if err != nil || value.Tag != "!!int" || n < 1 || n > access.MaxCost {
			return fail(f.where(), costKey+" is not what a request can cost; accepted: a whole number, 1 to %d", access.MaxCost)
		}
		o.cost = n
	case webSocketKey:
		on, err := strconv.ParseBool(value.Value)
		switch {
		case err != nil || value.Tag != "!!bool":
			return fail(f.where(), webSocketKey+" is neither true nor false")
		case on && method != "get":
			return fail(f.where(), webSocketKey+" is for %s; accepted: with get", method)
		}
		o.websocket = on
	default:
		return fail(f.where(), "%s is not known; accepted: "+costKey+" and "+webSocketKey, apikey.Quote(f.name()))
	}
	return nil
}

// build makes what the operation becomes, by a policy.
func (o *operation) build(p *policy) Operation {
	op := Operation{Method: o.method, Path: o.path, Source: o.source}
	if op.Route, op.Problem = o.route(p); op.Problem != nil {
		op.Route = o.denied()
	}
	op.Remarks = p.needsOf(o.security).remarks
	if own := o.remarks(); own != nil {
		op.Remarks = append(own, op.Remarks...)
	}
	return op
}

func (o *operation) route(p *policy) (*access.Route, *Problem) {
	if o.method == http.MethodTrace {
		return nil, &Problem{Unmappable, "the gateway refuses TRACE, whatever the route; remove it from the document"}
	}
	if !isServed(o.method) {
		return nil, &Problem{Unmappable, "the gateway refuses the method " + apikey.Quote(o.method) + ", whatever the route; remove it from the document"}
	}
	pattern, problem := toPattern(o.method, o.path)
	if problem != nil {
		return nil, problem
	}
	route := &access.Route{
		Methods:   []string{o.method},
		Pattern:   pattern,
		Cost:      o.cost,
		WebSocket: o.websocket,
		Source:    o.source,
		Imported:  true,
	}
	// First the problems that no line of the openapi block mends: who follows the
	// advice for the rest is not to meet another one.
	probe := *route
	probe.Access = access.Public
	if err := probe.Check(); err != nil {
		return nil, &Problem{Unmappable, err.Problem + o.byHand()}
	}
	n := p.needsOf(o.security)
	switch {
	case n.byHand:
		return nil, &Problem{n.problem.Kind, n.problem.Text + o.byHand()}
	case n.problem != nil:
		return nil, n.problem
	}
	route.Access, route.Scopes = n.access, n.scopes
	if err := p.checker.Check(route); err != nil {
		return nil, &Problem{Unmappable, err.Problem + o.byHand()}
	}
	return route, nil
}

// denied returns the route that keeps wider ones from the requests of the
// operation, or nil where it can have none.
func (o *operation) denied() *access.Route {
	pattern := deniedPattern(o.path)
	if !isServed(o.method) || pattern == "" {
		return nil
	}
	return &access.Route{
		Methods:  []string{o.method},
		Pattern:  pattern,
		Access:   access.Denied,
		Source:   o.source,
		Imported: true,
	}
}

// denyAlike denies the operations that have the same requests as a denied one:
// the gateway could not tell them apart.
func denyAlike(operations []Operation) {
	denied := make(map[string]*Operation)
	for i := range operations {
		if o := &operations[i]; o.Problem != nil && o.Route != nil {
			denied[shapeOf(o.Route)] = o
		}
	}
	for i := range operations {
		o := &operations[i]
		if o.Problem != nil {
			continue
		}
		if same := denied[shapeOf(o.Route)]; same != nil {
			o.Problem = &Problem{Unmappable, fmt.Sprintf("its requests are also those of %s (%s), which is denied; mend that one, or remove it", apikey.Quote(same.Path), same.Source)}
			o.Route = deniedLike(o)
		}
	}
}

// deniedLike returns a denied route for the requests of an operation that has
// another.
func deniedLike(o *Operation) *access.Route {
	return &access.Route{Methods: o.Route.Methods, Pattern: o.Route.Pattern, Access: access.Denied, Source: o.Source, Imported: true}
}

// isServed is false for TRACE, and for methods of additionalOperations that the
// gateway does not know. A * is none, where it would be all of them.
func isServed(method string) bool {
	probe := access.Route{Methods: []string{method}, Pattern: "/", Access: access.Public}
	return method != "*" && probe.Check() == nil
}

// shapeOf is the same for routes of one method whose patterns differ in names
// alone.
func shapeOf(r *access.Route) string { return r.Methods[0] + mapTemplate(r.Pattern, one) }
