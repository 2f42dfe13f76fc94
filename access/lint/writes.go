package lint

import (
	"slices"
	"strings"

	"github.com/socialpatra/keygate/access"
)

// checkWrites finds routes with a write method that scopes for reading open. Of
// several alternatives one is enough for a key.
func (s *site) checkWrites(f *findings) {
	s.routes(func(r *access.Route, _ bool) {
		if !slices.ContainsFunc(r.Methods, writes) {
			return
		}
		if i := slices.IndexFunc(r.Scopes, onlyRead); i >= 0 {
			f.add(ReadScopeWrites, r.Source, "%s can write and is open to keys with %s alone; name a scope for writing", r, shown(r.Scopes[i:i+1]))
		}
	})
}

func writes(method string) bool {
	return slices.Contains([]string{"POST", "PUT", "PATCH", "DELETE", "*"}, method)
}

func onlyRead(set []string) bool {
	return !slices.ContainsFunc(set, func(scope string) bool { return !strings.HasSuffix(scope, ":read") })
}
