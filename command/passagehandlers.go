package command

import (
	"path"
	"slices"
	"strings"

	"github.com/socialpatra/keygate/internal/jsontree"
)

// answerers are handlers that never hand a request on.
var answerers = []string{"static_response", "error", "metrics", "copy_response"}

// passers are handlers of Caddy, and well-known ones, that sign nobody in and change
// nothing that matters here.
var passers = []string{
	"acme_server", "cache", "copy_response_headers", "encode", "log_append", "push", "rate_limit", "request_body", "server_timing",
	"templates", "timeouts", "tracing",
}

// handler follows requests through a handler, and returns those that it hands on.
func (p *passage) handler(handler any, in states) states {
	if len(in) == 0 {
		return in
	}
	if p.trace != nil {
		p.trace.addAll(in)
	}
	name := jsontree.Text(handler, "handler")
	switch {
	case p.ends != nil && p.ends(handler):
		return nil
	case slices.Contains(answerers, name), name == "file_server" && !jsontree.IsTrue(handler, "pass_thru"):
		return nil
	case slices.Contains(passers, name), name == "file_server":
		return in
	}
	switch name {
	case "keygate_console":
		if p.isGoal(handler) {
			for _, s := range in {
				p.arrived = append(p.arrived, arrival{s, p.hosts})
			}
		}
		return in // what is not below its base
	case "subroute":
		return p.subroute(handler, in)
	case "invoke":
		if p.depth++; p.depth < 32 {
			in = p.routes([]any{jsontree.At(p.server, "named_routes", jsontree.Text(handler, "name"))}, in)
		}
		p.depth--
		return in
	case "reverse_proxy":
		return p.proxy(handler, in)
	case "intercept":
		for _, response := range jsontree.List(handler, "handle_response") {
			p.routes(jsontree.At(response, "routes"), in)
		}
		return in
	case "keygate":
		closed := jsontree.Text(handler, "foreign") != "pass" && jsontree.Text(handler, "mode") != "report" && !hasPublicRoutes(handler, p.below)
		return in.each(func(s *state) { s.keyed = s.keyed || closed })
	case "authentication":
		return in.each(func(s *state) { s.signedIn, s.named = true, true })
	case "headers":
		return in.each(func(s *state) { p.changeHeaders(s, jsontree.At(handler, "request")) })
	case "vars":
		return in.each(func(s *state) {
			s.forget(func(name string) bool {
				return strings.Contains(name, `"expression"`) || strings.Contains(name, `"vars`)
			})
			now := s.clone()
			jsontree.Members(handler, func(name string, value any) {
				text, _ := value.(string)
				set(&s.chosen, name, name != "handler" && p.isChosen(&now, text))
			})
		})
	case "map":
		return in.each(func(s *state) { addMap(s, handler) })
	case "rewrite":
		return in.each(func(s *state) { rewrite(s, handler) })
	}
	out := in.each(func(s *state) { s.signedIn, s.unknown = true, true })
	for _, routes := range nestedRoutes(handler) {
		out.addAll(p.routes(routes, out))
	}
	return out
}

// subroute follows its routes, and those for its errors: they may happen at any
// handler in it.
func (p *passage) subroute(handler any, in states) states {
	failing := jsontree.At(handler, "errors", "routes")
	if failing == nil {
		return p.routes(jsontree.At(handler, "routes"), in)
	}
	outer, trace := p.trace, make(states)
	trace.addAll(in)
	p.trace = &trace
	out := p.routes(jsontree.At(handler, "routes"), in)
	p.trace = outer
	if outer != nil {
		outer.addAll(trace)
	}
	result := make(states)
	result.addAll(out)
	result.addAll(p.routes(failing, trace))
	return result
}

// proxy follows what reverse_proxy hands on once the other side has answered, as
// forward_auth does if the answer is good. A good one has status 2xx.
func (p *passage) proxy(handler any, in states) states {
	out := make(states)
	for _, response := range jsontree.List(handler, "handle_response") {
		routes := jsontree.At(response, "routes")
		if routes == nil {
			continue
		}
		codes, _ := jsontree.At(response, "match", "status_code").([]any)
		good := len(codes) > 0
		for _, code := range codes {
			n, _ := code.(float64)
			good = good && (n == 2 || 200 <= n && n <= 299)
		}
		out.addAll(p.routes(routes, in.each(func(s *state) {
			s.asked, s.signedIn = true, s.signedIn || good
		})))
	}
	return out
}

// changeHeaders applies operations in the order in which Caddy does: everything
// deleted, added, set, deleted, replaced.
func (p *passage) changeHeaders(s *state, ops any) {
	if ops == nil {
		return
	}
	s.forget(func(name string) bool {
		return strings.Contains(name, `"header`) || strings.Contains(name, `"expression"`) || strings.Contains(name, `"vars`)
	})
	now := s.clone()
	chosen := func(texts ...string) bool { return p.isChosen(&now, strings.Join(texts, " ")) }
	clean := func(pattern string, is bool) {
		for _, header := range p.headers {
			if deletes(pattern, header) {
				set(&s.cleaned, header, is)
			}
		}
	}
	deleted := jsontree.Texts(ops, "delete")
	if slices.Contains(deleted, "*") {
		clean("*", true)
	}
	jsontree.Members(jsontree.At(ops, "add"), func(name string, _ any) {
		if chosen(jsontree.Texts(ops, "add", name)...) {
			clean(name, false)
		}
	})
	jsontree.Members(jsontree.At(ops, "set"), func(name string, _ any) {
		clean(name, !chosen(jsontree.Texts(ops, "set", name)...))
	})
	for _, pattern := range deleted {
		if pattern != "*" { // that came first
			clean(pattern, true)
		}
	}
	jsontree.Members(jsontree.At(ops, "replace"), func(name string, _ any) {
		for _, replacement := range jsontree.List(ops, "replace", name) {
			if chosen(jsontree.Text(replacement, "replace")) {
				clean(name, false)
			}
		}
	})
}

// deletes reports whether a pattern of names, with a * at one or both ends, has a
// name. One with a placeholder is taken to have none.
func deletes(pattern, name string) bool {
	is, err := path.Match(strings.ToLower(pattern), strings.ToLower(name))
	return err == nil && is
}

// addMap notes where the placeholders of a map come from, which is looked up when
// they are asked for.
func addMap(s *state, handler any) {
	for i, destination := range jsontree.Texts(handler, "destinations") {
		from := []string{jsontree.Text(handler, "source")}
		for _, mapping := range jsontree.List(handler, "mappings") {
			if outputs := jsontree.List(mapping, "outputs"); i < len(outputs) {
				if text, ok := outputs[i].(string); ok {
					from = append(from, text)
				}
			}
		}
		if defaults := jsontree.Texts(handler, "defaults"); i < len(defaults) {
			from = append(from, defaults[i])
		}
		name := strings.Trim(destination, "{}")
		s.mapTo(name, from...)
	}
}

func rewrite(s *state, handler any) {
	changes := func(name string) bool { return jsontree.At(handler, name) != nil }
	prefix := jsontree.Text(handler, "strip_path_prefix")
	others := changes("uri") || changes("strip_path_suffix") || changes("uri_substring") || changes("path_regexp") || changes("query")
	switch {
	case others || strings.Contains(prefix, "{"):
		s.rewritten = true
	case prefix != "":
		s.stripped += "/" + strings.Trim(prefix, "/")
	case changes("method"):
	default:
		return
	}
	s.forget(func(name string) bool { return isMatch(name) && !strings.HasPrefix(name, `match [{"host":`) })
}

// hasPublicRoutes reports whether a keygate may let a request without a key pass to
// what is below a base.
func hasPublicRoutes(handler any, base string) bool {
	if len(jsontree.List(handler, "openapi")) > 0 {
		return true // its documents may have some
	}
	for _, route := range jsontree.List(handler, "routes") {
		literal, _, _ := strings.Cut(jsontree.Text(route, "path"), "{")
		literal, _, _ = strings.Cut(literal, "*")
		if jsontree.Text(route, "access") == "public" && (strings.HasPrefix(base, literal) || strings.HasPrefix(literal, base)) {
			return true
		}
	}
	return false
}
