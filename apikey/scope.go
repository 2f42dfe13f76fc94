package apikey

import (
	"slices"
	"strings"
)

// Bounds on the scopes of a key.
const (
	MaxScopes   = 64 // on one key
	MaxScopeLen = 64 // characters of one scope
)

// CheckScope accepts resource:action, both [a-z][a-z0-9_-]*, at most 64
// characters together. It does not ask whether the scope is known, see
// [CheckKnown]. The error is a [*FieldError] for "scopes".
func CheckScope(s string) error {
	resource, action, ok := strings.Cut(s, ":")
	if ok && len(s) <= MaxScopeLen && isScopePart(resource) && isScopePart(action) && !ContainsToken(s) {
		return nil
	}
	if near := Nearest(s, catalogueScopes()); near != "" {
		return &FieldError{Field: "scopes", Problem: Quote(s) + " is not a scope (did you mean " + near + "?)"}
	}
	return &FieldError{
		Field:    "scopes",
		Problem:  Quote(s) + " is not a scope",
		Accepted: "resource:action, such as posts:write, of a-z, 0-9, _ and -, each part starting with a letter, at most 64 characters",
	}
}

func isScopePart(s string) bool {
	if s == "" || !isLower(s[0]) {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isBrandChar(c) && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// CheckKnown refuses the first scope that is neither in the catalogue nor in
// extra, and suggests the nearest one that is:
//
//	scopes: "posts:wrte" is not a known scope (did you mean posts:write?)
//
// extra lists further scopes that the running config knows. The error is a
// [*FieldError] for "scopes".
func CheckKnown(scopes, extra []string) error {
	for _, s := range scopes {
		if inCatalogue(s) || slices.Contains(extra, s) {
			continue
		}
		if err := CheckScope(s); err != nil {
			return err
		}
		e := &FieldError{Field: "scopes", Problem: Quote(s) + " is not a known scope"}
		if near := Nearest(s, append(catalogueScopes(), extra...)); near != "" {
			e.Problem += " (did you mean " + near + "?)"
		} else {
			e.Accepted = "those that caddy keygate scopes lists"
		}
		return e
	}
	return nil
}

// normalScopes returns scopes sorted and without duplicates.
func normalScopes(scopes []string) ([]string, error) {
	if len(scopes) == 0 {
		return nil, &FieldError{Field: "scopes", Problem: "is empty", Accepted: "1 to 64 scopes, such as posts:write"}
	}
	if err := checkCount("scopes", len(scopes), MaxScopes); err != nil {
		return nil, err
	}
	for _, s := range scopes {
		if err := CheckScope(s); err != nil {
			return nil, err
		}
	}
	return sortedSet(scopes), nil
}

// sortedSet returns a copy of list, sorted and without duplicates.
func sortedSet(list []string) []string {
	sorted := append([]string{}, list...)
	slices.Sort(sorted)
	return slices.Compact(sorted)
}

// NewScopeSet returns the set of the scopes in list. It does not keep list.
func NewScopeSet(list []string) *ScopeSet {
	sorted := sortedSet(list)
	return &ScopeSet{List: sorted, Joined: strings.Join(sorted, " ")}
}

// ScopeInfo is a scope, with one line on what it allows.
type ScopeInfo struct {
	Scope       string `json:"scope"`
	Description string `json:"description"`
}

var catalogue = [...]ScopeInfo{
	{"posts:read", "Read posts and drafts"},
	{"posts:write", "Create and change posts and drafts"},
	{"posts:delete", "Delete posts and drafts"},
	{"posts:approve", "Approve or reject posts that await review"},
	{"media:upload", "Upload images and videos"},
	{"queue:read", "Read the publishing queue"},
	{"queue:write", "Add to, reorder and pause the publishing queue"},
	{"schedule:read", "Read the posting schedule"},
	{"schedule:write", "Change the posting schedule"},
	{"analytics:read", "Read reach, engagement and reports"},
	{"connections:read", "List the connected social accounts"},
	{"connections:write", "Connect and disconnect social accounts"},
	{"feeds:read", "Read the feeds that posts are drawn from"},
	{"feeds:write", "Add, change and remove feeds"},
	{"ai:generate", "Generate texts and images"},
}

// Catalogue returns the scopes of SocialPatra's API, grouped by resource. A
// scope grants only itself: write does not imply read.
func Catalogue() []ScopeInfo { return slices.Clone(catalogue[:]) }

func catalogueScopes() []string {
	scopes := make([]string, 0, len(catalogue))
	for _, info := range catalogue {
		scopes = append(scopes, info.Scope)
	}
	return scopes
}

func inCatalogue(scope string) bool {
	return slices.ContainsFunc(catalogue[:], func(info ScopeInfo) bool { return info.Scope == scope })
}
