package plugin_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// plaintextSite has sites with TLS and, beside some, what watches http:// for them.
const plaintextSite = `{
	https_port {$PORT}
	http_port {$HTTP_PORT}
	local_certs
	skip_install_trust
	log {
		level DEBUG
	}
	keygate {
		store bbolt ./data/keygate.db
	}
}
api.example.com {
	log
	keygate {
		authenticated GET /v1/me
		header X-API-Key
	}
	respond served
}
http://api.example.com {
	log
	header Strict-Transport-Security max-age=1
	redir /old /new
	keygate_plaintext revoke
}
plain.example.com {
	respond served
}
`

// plaintext is a running gateway with its port for http.
type plaintext struct {
	*gateway
	addr string
}

func startPlaintext(t testing.TB, caddyfile string) *plaintext {
	t.Helper()
	port := freePort(t)
	return &plaintext{startCaddy(t, caddyfile, "HTTP_PORT="+port), "127.0.0.1:" + port}
}

// makeKey makes a key through the admin API.
func (g *gateway) makeKey(t testing.TB) (id, token string) {
	t.Helper()
	resp := g.adminDo(t, "POST", "/keygate/keys", `{"workspace":"acme","name":"n","scopes":["posts:read"]}`)
	var made struct {
		Key   struct{ ID string }
		Token string
	}
	if err := json.Unmarshal([]byte(resp.Body), &made); err != nil || resp.Status != 201 {
		t.Fatalf("%d %s", resp.Status, resp.Body)
	}
	return made.Key.ID, made.Token
}

func (g *gateway) statusOf(t testing.TB, id string) string {
	t.Helper()
	var key struct{ Status string }
	resp := g.adminDo(t, "GET", "/keygate/keys/"+id, "")
	if err := json.Unmarshal([]byte(resp.Body), &key); err != nil {
		t.Fatalf("%d %s", resp.Status, resp.Body)
	}
	return key.Status
}

// answer sends a request to the port for http, line by line, and returns all bytes
// until the connection ends, without what differs each time.
func (p *plaintext) answer(t testing.TB, lines ...string) string {
	t.Helper()
	conn, err := net.Dial("tcp", p.addr)
	if err != nil {
		t.Error(err)
		return ""
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, strings.Join(lines, "\r\n")+"\r\n\r\n"); err != nil {
		t.Error(err)
	}
	got, err := io.ReadAll(conn)
	if err != nil {
		t.Errorf("%q: %v", lines[0], err)
	}
	return varying.ReplaceAllString(string(got), "$1: (varies)")
}

var varying = regexp.MustCompile(`(Date|Request-Id): [^\r]*`)

// credentialPlaces are where a request may have a credential.
var credentialPlaces = map[string]func(token string) []string{
	"Bearer":               func(s string) []string { return []string{"GET /a HTTP/1.1", "Authorization: Bearer " + s} },
	"bearer in lower case": func(s string) []string { return []string{"GET /a HTTP/1.1", "authorization: bearer " + s} },
	"BEARER, spaces":       func(s string) []string { return []string{"GET /a HTTP/1.1", "AUTHORIZATION:   BEARER    " + s + "  "} },
	"no scheme":            func(s string) []string { return []string{"GET /a HTTP/1.1", "Authorization: " + s} },
	"another scheme": func(s string) []string {
		return []string{"GET /a HTTP/1.1", "Authorization: Token token=\"" + s + "\""}
	},
	"a tab":                func(s string) []string { return []string{"GET /a HTTP/1.1", "Authorization: Bearer\t" + s} },
	"quotes":               func(s string) []string { return []string{"GET /a HTTP/1.1", "Authorization: Bearer '" + s + "'"} },
	"the second of a list": func(s string) []string { return []string{"GET /a HTTP/1.1", "Authorization: Basic eDp5, Bearer " + s} },
	"the second line": func(s string) []string {
		return []string{"GET /a HTTP/1.1", "Authorization: Basic eDp5", "Authorization: Bearer " + s}
	},
	"Basic, the password": func(s string) []string {
		return []string{"GET /a HTTP/1.1", "Authorization: Basic " + base64Of("x:"+s)}
	},
	"Basic, the user":        func(s string) []string { return []string{"GET /a HTTP/1.1", "Authorization: basic " + base64Of(s+":")} },
	"Basic, without a colon": func(s string) []string { return []string{"GET /a HTTP/1.1", "Authorization: BASIC  " + base64Of(s)} },
	"Basic, unpadded": func(s string) []string {
		return []string{"GET /a HTTP/1.1", "Authorization: Basic " + strings.TrimRight(base64Of("x:"+s), "=")}
	},
	"the configured header":     func(s string) []string { return []string{"GET /a HTTP/1.1", "X-API-Key: " + s} },
	"the same in lower case":    func(s string) []string { return []string{"GET /a HTTP/1.1", "x-api-key: " + s} },
	"the same, the second line": func(s string) []string { return []string{"GET /a HTTP/1.1", "X-Api-Key: x", "X-API-KEY: " + s} },
	"another method":            func(s string) []string { return []string{"DELETE /a HTTP/1.1", "Authorization: Bearer " + s} },
	"a redirected path":         func(s string) []string { return []string{"GET /old HTTP/1.1", "Authorization: Bearer " + s} },
	"HTTP/1.0":                  func(s string) []string { return []string{"GET /a HTTP/1.0", "Authorization: Bearer " + s} },
	"an absolute target": func(s string) []string {
		return []string{"GET http://api.example.com/a HTTP/1.1", "Authorization: Bearer " + s}
	},
	"?access_token": func(s string) []string { return []string{"GET /a?x=y&access_token=" + s + " HTTP/1.1"} },
	"?access_token, escaped": func(s string) []string {
		return []string{"GET /a?access_token=" + strings.ReplaceAll(s, "_", "%5f") + " HTTP/1.1"}
	},
	"a preflight with it": func(s string) []string {
		return []string{"OPTIONS /a HTTP/1.1", "Origin: http://x.example", "Access-Control-Request-Method: GET", "Authorization: Bearer " + s}
	},
	"a body": func(s string) []string {
		return []string{"POST /a HTTP/1.1", "Authorization: Bearer " + s, "Content-Length: 3", "", "a=b"}
	},
}

// elsewhere are credentialPlaces where only what is in the form of a token is a credential.
var elsewhere = map[string]func(token string) []string{
	"a query": func(s string) []string { return []string{"GET /a?key=" + s + " HTTP/1.1"} },
	"a query, escaped": func(s string) []string {
		return []string{"GET /a?key=" + url.QueryEscape(strings.ReplaceAll(s, "_", "%5F")) + "&x HTTP/1.1"}
	},
	"a query that fails": func(s string) []string { return []string{"GET /a?%zz;key=" + s + " HTTP/1.1"} },
	"a name in a query":  func(s string) []string { return []string{"GET /a?" + s + " HTTP/1.1"} },
	"a path":             func(s string) []string { return []string{"GET /a/" + s + "/b HTTP/1.1"} },
	"a cookie":           func(s string) []string { return []string{"GET /a HTTP/1.1", "Cookie: a=b; key=" + s + "; c=d"} },
	"another header":     func(s string) []string { return []string{"GET /a HTTP/1.1", "X-Anything: " + s} },
	"Referer": func(s string) []string {
		return []string{"GET /a HTTP/1.1", "Referer: http://api.example.com/?key=" + strings.ReplaceAll(s, "_", "%5F")}
	},
	"a proxy's": func(s string) []string {
		return []string{"GET /a HTTP/1.1", "Proxy-Authorization: Basic " + base64Of("x:"+s)}
	},
	"a user in the URL": func(s string) []string { return []string{"GET http://x:" + s + "@api.example.com/a HTTP/1.1"} },
}

func base64Of(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// withHost puts Host behind the request line.
func withHost(host string, lines []string) []string {
	return slices.Insert(slices.Clone(lines), 1, "Host: "+host)
}

// A credential in the clear is refused, wherever it is and whether it is right or
// wrong, with the same bytes. The key of a right one is revoked when the answer is
// there, and no other.
func TestPlaintextRefusesEveryCredential(t *testing.T) {
	t.Parallel()
	p := startPlaintext(t, plaintextSite)
	victim, victims := p.makeKey(t)
	_, stolen := p.makeKey(t)
	victimID, err := apikey.ParseID(victim)
	if err != nil {
		t.Fatal(err)
	}
	wrong, _ := apikey.GenerateFor("patra", victimID)
	stranger, _, _ := apikey.Generate("patra")
	otherBrand, _ := apikey.GenerateFor("other", victimID)
	wrongs := map[string]string{
		"of another secret": wrong, "of nobody": stranger, "of another brand": otherBrand,
		"cut short": victims[:len(victims)-1], "with a wrong checksum": victims[:len(victims)-6] + "000000", "prefix and secret of two": victims[:19] + stolen[19:],
	}
	anywhere := map[string]string{"password": "x", "hexadecimal": "0123456789abcdef", "b64": "a+b/c=="}

	all := maps.Clone(credentialPlaces)
	maps.Copy(all, elsewhere)
	want := p.answer(t, withHost("api.example.com", credentialPlaces["Bearer"](stranger))...)
	if !strings.HasPrefix(want, "HTTP/1.1 403 Forbidden\r\n") || !strings.Contains(want, `"code":"insecure_transport"`) || strings.Contains(want, "Strict-Transport-Security") {
		t.Fatalf("answered %s", want)
	}
	var running sync.WaitGroup
	room := make(chan struct{}, 32)
	try := func(name string, lines []string, after func()) {
		running.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			got := p.answer(t, withHost("api.example.com", lines)...)
			if strings.HasPrefix(lines[0], "GET") && strings.HasSuffix(lines[0], "/1.0") {
				got = strings.Replace(got, "HTTP/1.0", "HTTP/1.1", 1)
			}
			if got != want {
				t.Errorf("%s: answered\n%s\nwant\n%s", name, got, want)
			}
			after()
		})
	}
	for place, lines := range all {
		id, token := p.makeKey(t)
		try(place+", genuine", lines(token), func() {
			if status := p.statusOf(t, id); status != "revoked" {
				t.Errorf("%s: the key is %s when the answer is there", place, status)
			}
		})
		for kind, token := range wrongs {
			try(place+", "+kind, lines(token), func() {})
		}
	}
	for place, lines := range credentialPlaces {
		for kind, text := range anywhere {
			try(place+", "+kind, lines(text), func() {})
		}
	}
	running.Wait()
	if status := p.statusOf(t, victim); status != "active" {
		t.Errorf("a key whose ID was sent is %s", status)
	}
	history := p.mustCLI(t, "audit", "--limit", "1000", "--json")
	if n := strings.Count(history, `"via":"plaintext 127.0.0.1","action":"revoke","reason":"leaked"`); n != len(all) {
		t.Errorf("the history has %d revocations, want %d", n, len(all))
	}
	if n := len(p.logged(t, withMessage("key leaked"))); n != len(all) {
		t.Errorf("the log tells of %d leaked keys, want %d", n, len(all))
	}
}

// What has no credential is redirected, as Caddy does it for the site that has
// nothing of ours beside it.
func TestPlaintextRedirectsTheRest(t *testing.T) {
	t.Parallel()
	p := startPlaintext(t, plaintextSite)
	for _, lines := range [][]string{
		{"GET / HTTP/1.1"},
		{"GET /a/b%20c?d=e&f=%7Bg%7D HTTP/1.1"},
		{"GET /old HTTP/1.1", "Cookie: session=abcdefghijkl_0123456789abcdefghij"},
		{"HEAD /a HTTP/1.1", "User-Agent: x"},
		{"POST /v1/me HTTP/1.1", "Content-Length: 3", "", "a=b"},
		{"OPTIONS /a HTTP/1.1", "Origin: http://x.example", "Access-Control-Request-Method: GET"},
		{"GET /patra_V722epF2Tjl2 HTTP/1.1", "X-Key: patra_V722epF2Tjl2"},
		{"GET /a?token=x&access_token= HTTP/1.1", "Authorization: ", "X-API-Key:"},
		{"GET /{http.request.host} HTTP/1.0"},
		{"GET //x HTTP/1.1", "X-Forwarded-Proto: https"},
	} {
		want := p.answer(t, withHost("plain.example.com", lines)...)
		got := p.answer(t, withHost("api.example.com", lines)...)
		if !strings.Contains(want, " 308 ") || strings.Contains(strings.ReplaceAll(got, "api.example", "plain.example"), "Strict") || strings.ReplaceAll(got, "api.example", "plain.example") != want {
			t.Errorf("%q: answered\n%s\nand Caddy answers\n%s", lines, got, want)
		}
	}
}

// A key that leaks again and again fills neither the history nor the log; a
// disabled one is refused at once by the site with TLS.
func TestPlaintextReportsOnce(t *testing.T) {
	t.Parallel()
	for then, done := range map[string]string{"report": "active", "disable": "disabled", "revoke": "revoked"} {
		t.Run(then, func(t *testing.T) {
			p := startPlaintext(t, strings.Replace(plaintextSite, "keygate_plaintext revoke", "keygate_plaintext "+then, 1))
			id, token := p.makeKey(t)
			for range 5 {
				p.answer(t, withHost("api.example.com", credentialPlaces["Bearer"](token))...)
				if got := p.statusOf(t, id); got != done {
					t.Errorf("the key is %s, want %s", got, done)
				}
			}
			history := p.mustCLI(t, "audit", "--key", id, "--json")
			if n := strings.Count(history, fmt.Sprintf(`"action":%q,"reason":"leaked"`, then)); n != 1 || strings.Count(history, `"seq"`) != 2 {
				t.Errorf("the history: %s", history)
			}
			if n := len(p.logged(t, withMessage("key leaked"))); n != 1 {
				t.Errorf("the log tells of it %d times", n)
			}
			metrics := p.adminDo(t, "GET", "/metrics", "").Body
			if !strings.Contains(metrics, `caddy_keygate_handed_in_total{door="plaintext",outcome="dealt_with"} 5`) {
				t.Error("the metrics do not count it")
			}
		})
	}
}
