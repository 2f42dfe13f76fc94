package plugin_test

import (
	"net/http"
	"strings"
	"testing"
)

// keyedSite has consoles that let everybody in as ada of acme, so that nothing but
// the key can be why a request is refused.
const keyedSite = `
{
	keygate {
		store bbolt ./data/keygate.db
	}
}
(console) {
	keygate_console {
		base {args[0]}
		workspace acme
		actor ada
	}
}
:{$PORT} {
	route /keyed* {
		keygate {
			authenticated * /keyed/*
			header X-API-Key
		}
		import console /keyed
	}
	route /scoped* {
		keygate {
			scope posts:write * /scoped/*
			header X-API-Key
		}
		import console /scoped
	}
	route /default* {
		keygate {
			authenticated * /default/*
			header X-API-Key
		}
		keygate_console {
			base /default
			workspace {http.auth.user.workspace}
		}
	}
	route /failing* {
		keygate {
			scope posts:delete * /failing/*
			header X-API-Key
			errors caddy
		}
		respond never
	}
	route /public* {
		keygate {
			public * /public/*
			header X-API-Key
		}
		import console /public
	}
	import console /alone
	handle_errors {
		import console /failing
	}
}
`

// A key manages no keys: alone, through a keygate that finds it good, or in the
// routes for errors.
func TestKeysManageNoKeys(t *testing.T) {
	t.Parallel()
	g := startCaddy(t, keyedSite)
	k, token := g.createKey(t, "--scope", "posts:read,posts:write")
	before := g.adminDo(t, "GET", "/keygate/keys", "").Body
	if resp := g.do(t, "GET", "/alone/api/keys", ""); resp.Status != http.StatusOK || !strings.Contains(resp.Body, k.ID) {
		t.Fatalf("ada, without a key: %d %s", resp.Status, resp.Body)
	}
	for name, headers := range map[string][]string{
		"in Authorization":     {bearer(token)},
		"in another case":      {"authorization: bearer " + token},
		"in the header":        {"X-API-Key: " + token},
		"in the header's case": {"x-api-key: " + token},
		"in both":              {bearer(token), "X-API-Key: " + token},
		"in any header":        {"X-Other: " + token},
		"in a cookie":          {"Cookie: key=" + token},
		"among others":         {"X-Other: a", "X-Other: b " + token + " c"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, base := range []string{"/alone", "/keyed", "/scoped", "/default", "/failing"} {
				for _, call := range []struct{ method, path, body string }{
					{"GET", "/api/keys", ""},
					{"GET", "/api/policy", ""},
					{"POST", "/api/keys", `{"name":"n","scopes":["posts:read"]}`},
					{"POST", "/api/keys/" + k.ID + "/rotate", "{}"},
					{"DELETE", "/api/keys/" + k.ID, ""},
					{"GET", "/", ""},
				} {
					resp := g.do(t, call.method, base+call.path, call.body, append([]string{"Content-Type: application/json"}, headers...)...)
					if resp.Status < 400 || strings.Contains(resp.Body, `"id":"`) {
						t.Errorf("%s %s%s: %d %s", call.method, base, call.path, resp.Status, resp.Body)
					}
				}
			}
		})
	}
	// Where no key is needed, one says nothing of who calls: ada is let in as without.
	for _, headers := range [][]string{nil, {bearer(token)}} {
		if resp := g.do(t, "GET", "/public/api/policy", "", headers...); resp.Status != http.StatusOK || !strings.Contains(resp.Body, `"actor":"ada"`) {
			t.Errorf("a public route, with %q: %d %s", headers, resp.Status, resp.Body)
		}
	}
	if resp := g.do(t, "GET", "/alone/api/keys?key="+token, ""); resp.Status != http.StatusBadRequest {
		t.Errorf("a token in the query: %d %s", resp.Status, resp.Body)
	}
	if after := g.adminDo(t, "GET", "/keygate/keys", "").Body; strings.Count(after, `"id"`) != 1 || !strings.Contains(after, `"status":"active"`) || strings.Count(before, `"id"`) != 1 {
		t.Errorf("there are %s, before %s", after, before)
	}
	scanForSecret(t, token, g.Dir)
}

// The page is as short as it is said to be.
func TestRecipePageIsShort(t *testing.T) {
	t.Parallel()
	if n := strings.Count(readFile(t, "docs/self-service/page/keys.js"), "\n"); n > 60 {
		t.Errorf("keys.js has %d lines", n)
	}
	c := startConsole(t, recipe(t, "A page of your own", 0), startSessions(t), nil)
	c.servePage(t)
	for path, part := range map[string]string{"/settings/keys.html": `<script type="module" src="keys.js">`, "/settings/keys.js": "crypto.randomUUID()"} {
		if resp := c.by(t, c.client, "GET", path, ""); resp.Status != http.StatusOK || !strings.Contains(resp.Body, part) {
			t.Errorf("%s: %d %s", path, resp.Status, resp.Body)
		}
	}
}
