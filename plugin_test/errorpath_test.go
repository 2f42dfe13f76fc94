package plugin_test

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
)

// errorSites change the path before Keygate in each of the ways that Caddy has,
// and proxy the error of a backend, or of Keygate, to another one. That gets
// the path that the client sent.
const errorSites = `{
	keygate {
		store bbolt ./data/keygate.db
	}
	servers {
		expected_underscore_headers SocialPatra_*
	}
}
(gate) {
	keygate {
		scope posts:read * /v1/posts
		public * /v1/status
		header X-API-Key
		ERRORS
	}
	reverse_proxy {$FIRST}
}
(failed) {
	handle_errors {
		reverse_proxy {$SECOND}
	}
}
http://handle:{$PORT} {
	handle_path /admin/* {
		import gate
	}
	import failed
}
http://strip:{$PORT} {
	route {
		uri strip_prefix /admin
		import gate
	}
	import failed
}
http://rewrite:{$PORT} {
	route {
		rewrite /admin/v1/posts /v1/posts
		rewrite /admin/v1/status /v1/status
		import gate
	}
	import failed
}
http://plain:{$PORT} {
	import gate
	import failed
}
`

// An identity is of the request that was judged. What an error route sends on is
// another one, and carries neither an identity nor a credential.
func TestErrorRoutesGetNoIdentity(t *testing.T) {
	t.Parallel()
	for _, errorsBy := range []string{"problem", "caddy"} {
		for first, firstAddr := range map[string]string{"down": "127.0.0.1:1", "up": ""} {
			t.Run(errorsBy+"/"+first, func(t *testing.T) {
				reading, second := startBackend(t), startBackend(t)
				if firstAddr == "" {
					firstAddr = reading.Addr
				}
				g := startCaddy(t, strings.Replace(errorSites, "ERRORS", "errors "+errorsBy, 1), "FIRST="+firstAddr, "SECOND="+second.Addr)
				token := g.token(t, "--scope", "posts:read", "--per-minute", "1000")
				var c crowd
				for _, host := range []string{"handle", "strip", "rewrite", "plain"} {
					for name, request := range map[string]string{
						"key":          "POST PREFIX/v1/posts\n" + bearer(token),
						"key header":   "POST PREFIX/v1/posts\nX-API-Key: " + token,
						"with basic":   "POST PREFIX/v1/posts\nX-API-Key: " + token + "\nAuthorization: Basic c2VjcmV0",
						"public":       "POST PREFIX/v1/status\n" + bearer(token),
						"wrong key":    "POST PREFIX/v1/posts\n" + bearer(noSuchKeyWithID("000000000000")),
						"not mapped":   "POST PREFIX/v1/nothing\n" + bearer(token),
						"with claims":  "POST PREFIX/v1/posts\n" + bearer(token) + "\nX-Forwarded-Prefix: evil\nX-HTTP-Method-Override: evil",
						"dotted claim": "POST PREFIX/v1/posts\n" + bearer(token) + "\nSocialPatra_Scopes: evil\nSocialPatra~Key: evil",
					} {
						for shape, body := range map[string]string{
							"whole":  "Content-Length: 3\n\nabc",
							"broken": "Transfer-Encoding: chunked\n\n3\nabc\nzz\n\n",
						} {
							prefix := "/admin"
							if host == "plain" {
								prefix = ""
							}
							line, fields, _ := strings.Cut(strings.Replace(request, "PREFIX", prefix, 1), "\n")
							name := host + ", " + name + ", " + shape
							text := fmt.Sprintf("%s HTTP/1.1\nHost: %s\nX-Case: "+name+"\n%s\nSocialPatra-Workspace: evil\nsocialpatra-key-id: evil\nConnection: close\n%s", line, host, fields, body)
							c.run(t, name, func(t *namedT) {
								conn, err := net.Dial("tcp", strings.TrimPrefix(g.URL, "http://"))
								if err != nil {
									t.Error(err)
									return
								}
								defer conn.Close()
								io.WriteString(conn, strings.ReplaceAll(text, "\n", "\r\n"))
								_, _ = io.Copy(io.Discard, conn) // how it ends is another test's matter
							})
						}
					}
				}
				c.wait()
				seen := second.take()
				// Of a backend that reads, only broken bodies make the gateway fail, and
				// not those whose client counts as gone already.
				least := map[string]int{"down": 20, "up": 1}[first]
				t.Logf("%d requests reached the error route's backend", len(seen))
				if len(seen) < least {
					t.Errorf("only %d requests reached the error route's backend", len(seen))
				}
				for _, seen := range seen {
					wantNobody(t, seen, token)
				}
				// That it got there with the path of the client. Some whose clients
				// have gone may come as late.
				g.onHost(t, "handle", "GET", "/admin/v1/posts", bearer(token))
				seen = second.take()
				for _, seen := range seen {
					wantNobody(t, seen, token)
				}
				if first == "down" && !slices.ContainsFunc(seen, func(r received) bool { return r.Method == "GET" && r.URI == "/admin/v1/posts" }) {
					t.Errorf("the error route's backend saw %+v", seen)
				}
			})
		}
	}
}

// wantNobody checks that a request says nothing of who sent it.
func wantNobody(t *testing.T, seen received, token string) {
	t.Helper()
	for field, values := range seen.Header {
		value := strings.Join(values, "\n")
		if strings.HasPrefix(strings.ToLower(field), "socialpatra") || field == "Authorization" || field == "X-Api-Key" || field == "Upgrade" ||
			strings.Contains(value, "evil") || strings.Contains(value, secretOf(token)) || strings.Contains(value, "acme") {
			t.Errorf("%q: the backend of the error route saw %s: %q", seen.Header["X-Case"], field, value)
		}
	}
	if len(seen.Trailer) > 0 {
		t.Errorf("%q: the backend of the error route saw the trailers %v", seen.Header["X-Case"], seen.Trailer)
	}
}
