package lint

import (
	"slices"
	"strings"
	"testing"
)

func TestCaches(t *testing.T) {
	const identity = "Socialpatra-Key-Id"
	front := func(change func(*Cache)) Cache {
		c := Cache{Where: "api.example", Identity: identity, Keys: []CacheKey{{}}}
		change(&c)
		return c
	}
	behind := func(keys ...CacheKey) Cache {
		return Cache{Where: "api.example", Behind: true, Identity: identity, Keys: keys}
	}
	for name, test := range map[string]struct {
		cache Cache
		want  string // a word of each problem, "" for none
	}{
		"behind, by ID":                      {behind(CacheKey{Headers: []string{"socialpatra-key-id"}}), ""},
		"behind, by more and the ID":         {behind(CacheKey{Headers: []string{"Accept", "SocialPatra-Key-Id"}}), ""},
		"behind, by the ID and more":         {behind(CacheKey{Headers: []string{"SocialPatra-Key-Id", "Accept"}}), "others"},
		"behind, by nothing":                 {behind(CacheKey{}), "others"},
		"behind, by workspace":               {behind(CacheKey{Headers: []string{"SocialPatra-Workspace"}}), "others"},
		"behind, by workspace and scopes":    {behind(CacheKey{Headers: []string{"SocialPatra-Workspace", "SocialPatra-Scopes"}}), "others"},
		"behind, by another prefix":          {behind(CacheKey{Headers: []string{"Other-Key-Id"}}), "others"},
		"behind, by credential":              {behind(CacheKey{Headers: []string{"Authorization"}}), "others"},
		"behind, by a template":              {behind(CacheKey{Template: "{http.request.header.SocialPatra-Key-Id} {uri}"}), ""},
		"behind, by a placeholder":           {behind(CacheKey{Template: "{http.auth.user.id} {uri}"}), ""},
		"behind, by a template without it":   {behind(CacheKey{Template: "{uri}"}), "others"},
		"behind, by a template that ends so": {behind(CacheKey{Template: "{uri}{http.auth.user.id}"}), "others"},
		"behind, template over headers":      {behind(CacheKey{Template: "{uri}", Headers: []string{identity}}), "others"},
		"behind, some paths":                 {behind(CacheKey{Headers: []string{identity}}, CacheKey{}), "others"},
		"behind, hashed":                     {behind(CacheKey{Headers: []string{identity}, Hash: true}), "hash"},
		"in front":                           {front(func(*Cache) {}), ""},
		"in front, coalescing":               {front(func(c *Cache) { c.Coalesces = true }), "disable_coalescing"},
		"in front, strict":                   {front(func(c *Cache) { c.Mode = "strict" }), ""},
		"in front, bypass":                   {front(func(c *Cache) { c.Mode = "bypass_request" }), "mode"},
		"in front, without Vary":             {front(func(c *Cache) { c.IgnoresVary = true }), "disable_vary"},
		"in front, by credential":            {front(func(c *Cache) { c.Keys[0].Headers = []string{"authorization"} }), "Authorization"},
		"in front, hashed":                   {front(func(c *Cache) { c.Keys[0].Hash = true }), ""},
	} {
		t.Run(name, func(t *testing.T) {
			found := Caches([]Cache{test.cache, test.cache})
			if test.want == "" && len(found) > 0 || test.want != "" && len(found) != 1 {
				t.Fatalf("found %v", found)
			}
			for _, f := range found {
				if f.Code != UnsafeCache || f.Where != "api.example" || !strings.Contains(f.Problem, test.want) {
					t.Errorf("found %v", f)
				}
			}
		})
	}
	if found := Caches([]Cache{behind(CacheKey{}), front(func(c *Cache) { c.Coalesces = true })}); len(found) != 2 || !slices.IsSortedFunc(found, func(a, b Finding) int { return strings.Compare(a.Problem, b.Problem) }) {
		t.Errorf("found %v", found)
	}
}
