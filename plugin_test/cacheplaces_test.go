//go:build caches

package plugin_test

import (
	"strings"
	"testing"
)

// cacheSite is a site with a place for a cache before Keygate and one behind it.
const cacheSite = `
{
	keygate {
		store bbolt ./data/keygate.db
	}
	GLOBAL
}
:{$PORT} {
	route {
		FRONT
		keygate {
			scope posts:read GET /v1/posts
			scope posts:write POST /v1/posts
			public GET /v1/status
			header X-API-Key
			auth_failures off
		}
		BEHIND
		reverse_proxy {$BACKEND}
	}
}
`

func cacheSiteWith(global, front, behind string) string {
	return strings.NewReplacer("GLOBAL", global, "FRONT", front, "BEHIND", behind).Replace(cacheSite)
}

// No answer to one key reaches another one, or nobody, through a cache.
func TestCacheInFront(t *testing.T) {
	newCachedSite(t, cacheSiteWith(cacheGlobally, `cache {
			disable_coalescing
		}`, ""), nil).run(t)
}

func TestCacheBehind(t *testing.T) {
	newCachedSite(t, cacheSiteWith(cacheGlobally, "", `cache {
			disable_coalescing
			key {
				headers SocialPatra-Key-Id
			}
		}`), nil).run(t)
}

// nginx keeps whatever its backend does not forbid, and asks no key.
func TestNginxCacheInFront(t *testing.T) {
	newCachedSite(t, cacheSiteWith("", "", ""), func(gateway string) string {
		addr := "127.0.0.1:" + freePort(t)
		startNginxServer(t, `proxy_cache_path cache keys_zone=answers:10m;
server {
	listen `+addr+`;
	location / {
		proxy_cache answers;
		proxy_cache_valid any 1m;
		proxy_pass http://`+gateway+`;
	}
}`, addr)
		return "http://" + addr
	}).run(t)
}

// cacheGlobally leaves out what makes the cache slow and keeps nothing.
const cacheGlobally = `cache {
		ttl 60s
		disable_surrogate_key
	}`
