package command

import (
	"slices"
	"strings"

	"github.com/socialpatra/keygate/access/lint"
	"github.com/socialpatra/keygate/internal/jsontree"
)

// lateHandlers look at their placeholders when the handlers behind them are done.
var lateHandlers = []string{"intercept", "templates"}

// asksAtOnce returns the settings of a handler whose placeholders it looks up
// before it hands the request on. Of a handler that is not known these are all.
func asksAtOnce(name string, handler any) any {
	switch {
	case slices.Contains(lateHandlers, name), name == "log_append" && !jsontree.IsTrue(handler, "early"):
		return nil
	case name == "headers":
		asked := []any{jsontree.At(handler, "request")}
		if response := jsontree.At(handler, "response"); !jsontree.IsTrue(response, "deferred") && jsontree.At(response, "require") == nil {
			asked = append(asked, response)
		}
		return asked
	default:
		return handler
	}
}

// asks notes the placeholders of gateways that a handler or matcher looks up before
// the request has come to a gateway. A placeholder that an authentication may have
// set is not a gateway's.
func (p passed) asks(settings any, by, where string) passed {
	if len(p.identity) > 0 {
		return p
	}
	for _, name := range ownPlaceholders(settings) {
		if p.isOurs(name) {
			p.early = append(slices.Clip(p.early), lint.Early{Where: where, By: by, Placeholder: "{" + name + "}"})
		}
	}
	return p
}

// maps notes which placeholders a map makes of what gateways say. A map looks its
// source up when somebody asks for the result.
func (p passed) maps(handler any) passed {
	if len(p.identity) == 0 && slices.ContainsFunc(ownPlaceholders(handler), p.isOurs) {
		for _, destination := range jsontree.Texts(handler, "destinations") {
			p.mapped = append(slices.Clip(p.mapped), strings.Trim(destination, "{}"))
		}
	}
	return p
}

// isOurs reports whether only a gateway gives a placeholder its value.
func (p passed) isOurs(name string) bool {
	switch {
	case slices.Contains([]string{"http.auth.user.id", "http.auth.user.workspace", "http.auth.user.scopes"}, name):
		return !p.named
	case strings.HasPrefix(name, "http.auth.keygate."):
		return true
	default:
		return slices.Contains(p.mapped, name)
	}
}

// ownPlaceholders returns the placeholders in settings, each once, but not those of
// routes inside.
func ownPlaceholders(settings any) (names []string) {
	switch value := settings.(type) {
	case string:
		names = placeholdersIn(value)
	case []any:
		for _, element := range value {
			names = append(names, ownPlaceholders(element)...)
		}
	case map[string]any:
		for member, inside := range value {
			if member != "routes" {
				names = append(names, placeholdersIn(member)...)
				names = append(names, ownPlaceholders(inside)...)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
