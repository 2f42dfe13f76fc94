package openapis

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"slices"
	"strings"
)

// reading is how a gateway is told to read a document, and what it is to make of
// it.
type reading struct {
	scheme   string // the one of the key; "": the only one there is
	given    bool   // the gateway is told the scheme
	mapped   bool   // by a scope_map for each scope
	fallback string // default
	base     string // base_path; "": not given
}

// text is the path of an operation with what goes before it.
func (r reading) text(op *operation) string {
	if r.base != "" {
		return strings.TrimRight(r.base, "/") + op.path
	}
	return op.base + op.path
}

// callers are those who may call an operation: anybody, any valid key, or keys
// that hold all scopes of a set.
type callers struct {
	anybody, anyKey bool
	sets            [][]string
}

// nobody says that no key helps.
func (c callers) nobody() bool { return !c.anybody && !c.anyKey && len(c.sets) == 0 }

// include reports whether a key with the scopes may call; nil is no key.
func (c callers) include(held map[string]bool) bool {
	switch {
	case c.anybody:
		return true
	case held == nil:
		return false
	case c.anyKey:
		return true
	}
	return slices.ContainsFunc(c.sets, func(set []string) bool {
		return !slices.ContainsFunc(set, func(scope string) bool { return !held[scope] })
	})
}

// callers follows the table "Security becomes scopes" of docs/openapi.md.
func (r reading) callers(op *operation) (c callers) {
	if !op.asked {
		switch r.fallback {
		case "public":
			c.anybody = true
		case "authenticated":
			c.anyKey = true
		}
		return c
	}
	if len(op.needs) == 0 {
		c.anybody = true
	}
	for _, need := range op.needs {
		scopes, ok := need[r.scheme]
		switch {
		case len(need) == 0:
			c.anybody = true
		case !ok:
		case len(scopes) == 0:
			c.anyKey = true
		default:
			if set, ok := r.set(scopes); ok {
				c.sets = append(c.sets, set)
			}
		}
	}
	return c
}

// set returns what a key holds for the scopes. It is not ok if no key can.
func (r reading) set(scopes []string) (set []string, ok bool) {
	for _, scope := range scopes {
		held, ok := r.held(scope)
		if !ok {
			return nil, false
		}
		set = append(set, held)
	}
	slices.Sort(set)
	return slices.Compact(set), true
}

var ourForm = regexp.MustCompile(`^[a-z][a-z0-9_-]*:[a-z][a-z0-9_-]*$`)

// held is what keys hold for a scope of the document.
func (r reading) held(scope string) (string, bool) {
	if r.mapped && isMapped(scope) {
		sum := sha256.Sum256([]byte(scope))
		return "s:h" + hex.EncodeToString(sum[:12]), true
	}
	return scope, len(scope) <= 64 && ourForm.MatchString(scope)
}

// isMapped is false for a scope that a scope_map would take for a pattern.
func isMapped(scope string) bool { return scope != "" && !strings.Contains(scope, "*") }

// scopeMap has a line for each scope that an operation asks of the scheme, no
// two of them for the same.
func (r reading) scopeMap(s *spec) (lines []map[string]any) {
	seen := make(map[string]bool)
	for _, op := range s.operations {
		for _, need := range op.needs {
			for _, scope := range need[r.scheme] {
				if !seen[scope] && isMapped(scope) {
					seen[scope] = true
					held, _ := r.held(scope)
					lines = append(lines, map[string]any{"source": scope, "scopes": []string{held}})
				}
			}
		}
	}
	return lines
}
