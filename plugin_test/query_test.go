package plugin_test

import (
	"fmt"
	"strings"
	"testing"
)

// queryByteFits says what HTTP/1.1 takes in a request target.
func queryByteFits(c int) bool { return c > ' ' && c < 0x7f }

// Whatever byte a query has, over each protocol: the backend sees the very same
// bytes, or nothing. In HTTP/2 and 3 a target can hold what would end it in the
// request line that the backend is sent.
func TestEveryByteOfAQuery(t *testing.T) {
	t.Parallel()
	g := startAttackGateway(t)
	key := g.names.Replace("$KEY")
	for _, protocol := range []string{"h1", "h2", "h3"} {
		t.Run(protocol, func(t *testing.T) {
			for c := range 256 {
				target := "/v1/posts?a=" + string([]byte{byte(c)}) + "b HTTP/1.0"
				if queryByteFits(c) {
					target = strings.TrimSuffix(target, " HTTP/1.0")
				}
				g.backend.take()
				resp, err := g.send(protocol, "", wireRequest{Method: "GET", Target: target, Fields: []wireField{{"Authorization", "Bearer " + key}}})
				seen := g.backend.take()
				if queryByteFits(c) {
					if err != nil || resp.Status != 200 || len(seen) != 1 || seen[0].URI != target {
						t.Errorf("byte %#x: answered %d, %v, and the backend saw %+v", c, resp.Status, err, seen)
					}
					continue
				}
				if len(seen) > 0 || err == nil && (resp.Status < 400 || resp.Status >= 500) {
					t.Errorf("byte %#x: answered %d, %v, and the backend saw %+v", c, resp.Status, err, seen)
				}
				// What the server itself lets through is for Keygate to refuse.
				if c > 0x7f && protocol == "h1" {
					resp, err = g.send(protocol, "", wireRequest{Method: "GET", Target: strings.TrimSuffix(target, " HTTP/1.0")})
				}
				if c > 0x7f || c == ' ' && protocol != "h1" {
					if err != nil {
						t.Errorf("byte %#x: %v", c, err)
						continue
					}
					p := denied(t, resp, 400, "ambiguous_path")
					if !strings.Contains(p.Detail, "query") || strings.Contains(resp.Body, "HTTP/1.0") {
						t.Errorf("byte %#x: %s", c, resp.Body)
					}
				}
			}
		})
	}
}

// A proxy that asks sends the query too, and will forward it.
func TestEveryByteOfAQueryThatIsAskedAbout(t *testing.T) {
	t.Parallel()
	for mode, prefix := range map[string]string{"forward_auth": "X-Forwarded-", "auth_request": "X-Original-"} {
		t.Run(mode, func(t *testing.T) {
			g := startCaddy(t, fmt.Sprintf(`{
				servers {
					trusted_proxies static 127.0.0.1/32
				}
				keygate {
					store bbolt ./data/keygate.db
				}
			}
			:{$PORT} {
				keygate {
					scope posts:read GET /v1/posts
					authorize %s
				}
			}`, mode))
			token := g.token(t, "--scope", "posts:read", "--per-minute", "100000", "--per-day", "100000")
			for c := range 256 {
				resp, err := sendHTTP1("tcp", strings.TrimPrefix(g.URL, "http://"), wireRequest{Method: "GET", Target: "/", Fields: []wireField{
					{"Authorization", "Bearer " + token},
					{prefix + "Method", "GET"},
					{prefix + "Uri", "/v1/posts?a=" + string([]byte{byte(c)}) + "b"},
				}})
				if err != nil {
					t.Errorf("byte %#x: %v", c, err)
				} else if fits := queryByteFits(c); fits != (resp.Status == 204) || !fits && resp.Status != 400 {
					t.Errorf("byte %#x: answered %d %s", c, resp.Status, resp.Body)
				}
				if c > 0x7f || c == ' ' || c == '\t' {
					denied(t, resp, 400, "ambiguous_path")
				}
			}
		})
	}
}
