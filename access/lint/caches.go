package lint

import (
	"fmt"
	"slices"
	"strings"
)

// Cache is a cache handler that a request passes before or behind a gateway:
// Souin, which is http.handlers.cache of Caddy.
type Cache struct {
	Where    string // what its site is reached by, ":443"
	Behind   bool   // the gateway comes first
	Identity string // the header that names the key behind the gateway, canonical

	Coalesces   bool   // it asks once for several requests
	Mode        string // how much of Cache-Control it follows; "": all
	IgnoresVary bool
	Keys        []CacheKey // its own, then those for some paths
}

// CacheKey is what a cache tells requests apart by, besides method and URL.
type CacheKey struct {
	Headers  []string
	Template string // in place of all of that, "": none
	Hash     bool   // kept as 64 bits, which can be forged
}

// Caches returns what would give the answer to one key to another one.
func Caches(caches []Cache) []Finding {
	all := findings{}
	for i := range caches {
		c := &caches[i]
		if c.Coalesces {
			all.add(UnsafeCache, c.Where, "the cache waits for the answer to one request to answer others, and mixes their bytes; write disable_coalescing in cache")
		}
		if c.Behind {
			c.checkKeys(&all)
		} else {
			c.checkOrders(&all)
		}
	}
	return all.sorted()
}

// checkKeys is for a cache that sees no credential.
func (c *Cache) checkKeys(all *findings) {
	for _, key := range c.Keys {
		switch {
		case key.Hash:
			all.add(UnsafeCache, c.Where, "the cache behind keygate keeps its keys as a hash, for which another request can be made; remove hash")
		case !key.tellsApart(c.Identity):
			all.add(UnsafeCache, c.Where, "the cache behind keygate gives the answer to one key to others; end its key with the one who asks: key { headers %s }", c.Identity)
			return
		}
	}
}

// tellsApart reports whether two API keys never share a cache key. Souin joins the
// values of headers with dashes, and values other than an ID may have dashes inside.
// So the ID must be the last header, or come first in a template.
func (k *CacheKey) tellsApart(identity string) bool {
	if k.Template != "" {
		return slices.ContainsFunc([]string{"{http.request.header." + identity + "}", "{http.auth.user.id}"}, func(id string) bool {
			return strings.HasPrefix(strings.ToLower(k.Template), strings.ToLower(id))
		})
	}
	return len(k.Headers) > 0 && strings.EqualFold(k.Headers[len(k.Headers)-1], identity)
}

// checkOrders is for a cache that sees what Keygate says of an answer.
func (c *Cache) checkOrders(all *findings) {
	ignores := func(what, instead string) {
		all.add(UnsafeCache, c.Where, "the cache before keygate %s, so that it keeps what is for one key alone; %s", what, instead)
	}
	if c.Mode != "" && c.Mode != "strict" {
		ignores(fmt.Sprintf("ignores Cache-Control in mode %s", c.Mode), "remove mode")
	}
	if c.IgnoresVary {
		ignores("ignores Vary", "remove disable_vary")
	}
	for _, key := range c.Keys {
		if slices.ContainsFunc(key.Headers, func(name string) bool { return strings.EqualFold(name, "Authorization") }) {
			ignores("ignores private where its key has Authorization", "remove that header from its key")
			return
		}
	}
}
