package plugin_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/apitest"
)

// plaintextSites has sites of every kind of address, each with one beside it that
// watches http://, and one more of the kind that Caddy redirects by itself.
const plaintextSites = `{
	https_port {$PORT}
	http_port {$HTTP_PORT}
	local_certs
	skip_install_trust
	keygate {
		store bbolt ./data/keygate.db
	}
}
(api) {
	keygate {
		authenticated GET /v1/me
	}
	respond served
}
named.example.com {
	import api
}
*.wild.example.com, *.wild.example.net {
	import api
}
exact.wild.example.com {
	import api
}
port.example.com:{$OTHER_PORT}, *.port.example.com:{$OTHER_PORT} {
	import api
}
both.example.com, both.example.com:{$OTHER_PORT} {
	import api
}
http://named.example.com, http://*.wild.example.com, http://exact.wild.example.com, http://port.example.com, http://*.port.example.com, http://both.example.com {
	keygate_plaintext revoke
}
acme.example.com {
	tls {
		issuer acme {
			dir https://127.0.0.1:1/dir
		}
	}
	import api
}
http://acme.example.com {
	keygate_plaintext revoke
}
`

// The site that watches comes before Caddy's own redirects, whatever the names and
// ports are, and leads to where they lead: to the same places as without it.
func TestPlaintextBesideSitesOfEveryKind(t *testing.T) {
	t.Parallel()
	start := func(caddyfile string) func(lines ...string) string {
		port, other := freePort(t), freePort(t)
		p := &plaintext{startCaddy(t, caddyfile, "HTTP_PORT="+port, "OTHER_PORT="+other), "127.0.0.1:" + port}
		return func(lines ...string) string {
			return strings.ReplaceAll(p.answer(t, lines...), ".com:"+other, ".com:(other)")
		}
	}
	watched := start(plaintextSites)
	unwatched, _, _ := strings.Cut(plaintextSites, "http://named")
	plain := start(unwatched)
	token, _, _ := apikey.Generate("patra")
	for _, host := range []string{"named.example.com", "a.wild.example.com", "EXACT.wild.example.com", "port.example.com", "a.port.example.com", "both.example.com", "b.wild.example.net", "unknown.example.org"} {
		request := withHost(host, []string{"GET /a?b HTTP/1.1"})
		got, want := watched(request...), plain(request...)
		if !strings.Contains(want, " 308 ") || got != want {
			t.Errorf("%s: answered\n%s\nand Caddy answers\n%s", host, got, want)
		}
		got = watched(withHost(host, credentialPlaces["Bearer"](token))...)
		if is := strings.Contains(got, "insecure_transport"); is != !strings.Contains(host, ".example.net") && host != "unknown.example.org" {
			t.Errorf("%s: answered\n%s", host, got)
		}
	}
}

// Whoever asks Caddy for the answer to a challenge of a certificate authority gets it.
func TestPlaintextLeavesACMEChallengesAlone(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	p := &plaintext{startCaddy(t, plaintextSites, "HTTP_PORT="+port, "OTHER_PORT="+freePort(t)), "127.0.0.1:" + port}
	issuer := certmagic.NewACMEIssuer(certmagic.NewDefault(), certmagic.ACMEIssuer{CA: "https://127.0.0.1:1/dir"})
	file := filepath.Join(p.Dir, "home/share/caddy", "acme", certmagic.StorageKeys.Safe(issuer.IssuerKey()), "challenge_tokens/acme.example.com.json")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	challenge := `{"type":"http-01","status":"pending","token":"tok","keyAuthorization":"tok.thumb","identifier":{"type":"dns","value":"acme.example.com"}}`
	if err := os.WriteFile(file, []byte(challenge), 0o600); err != nil {
		t.Fatal(err)
	}
	request := func(path string) string {
		return p.answer(t, withHost("acme.example.com", []string{"GET " + path + " HTTP/1.1", "Connection: close"})...)
	}
	if got := request("/.well-known/acme-challenge/tok"); !strings.HasPrefix(got, "HTTP/1.1 200 ") || !strings.HasSuffix(got, "\r\n\r\ntok.thumb") {
		t.Errorf("answered\n%s", got)
	}
	if got := request("/.well-known/acme-challenge/other"); !strings.Contains(got, "Location: https://acme.example.com/.well-known/acme-challenge/other\r\n") {
		t.Errorf("answered\n%s", got)
	}
}

// A token of another system is dealt with where a keygate handler would take it, and
// not beyond the budget of its client.
func TestPlaintextImportedTokens(t *testing.T) {
	t.Parallel()
	p := startPlaintext(t, plaintextSite)
	const ours = "legacy-0123456789"
	lines := map[string]string{"Bearer": ours + "a", "the configured header": ours + "b", "Basic, the password": ours + "c", "?access_token": ours + "d", "the second of a list": ours + "e", "no scheme": ours + "f"}
	var imported strings.Builder
	for _, token := range lines {
		imported.WriteString(apitest.OpaqueLine(token) + "\n")
	}
	late := make([]string, 8)
	for i := range late {
		late[i] = fmt.Sprint(ours, "late", i)
		imported.WriteString(apitest.OpaqueLine(late[i]) + "\n")
	}
	if r := send(t, p.admin, "POST", "http://"+p.Admin+"/keygate/import", imported.String(), []string{"Content-Type: application/jsonl"}); r.Status != 200 {
		t.Fatalf("import: %d %s", r.Status, r.Body)
	}
	for place, token := range lines {
		p.answer(t, withHost("api.example.com", credentialPlaces[place](token))...)
	}
	revoked := func() int {
		return strings.Count(p.adminDo(t, "GET", "/keygate/keys?status=revoked", "").Body, `"id"`)
	}
	if n := revoked(); n != len(lines) {
		t.Errorf("%d keys are revoked, want %d", n, len(lines))
	}
	wrong := func() string { return p.answer(t, withHost("api.example.com", credentialPlaces["Bearer"]("wrong"))...) }
	want := wrong()
	start := time.Now()
	for range 60 {
		go wrong()
	}
	await(t, "client that is over its budget", func() bool {
		resp := p.adminDo(t, "GET", "/metrics", "")
		return strings.Contains(resp.Body, `{door="plaintext",outcome="nothing"} 61`)
	})
	id, token := p.makeKey(t)
	over := make(chan struct{})
	var guessing sync.WaitGroup
	for range 16 { // who goes on takes what the budget regains, one a second
		guessing.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
					wrong()
				}
			}
		})
	}
	for _, credential := range slices.Concat(late, []string{token}) {
		if got := p.answer(t, withHost("api.example.com", credentialPlaces["Bearer"](credential))...); got != want {
			t.Errorf("answered\n%s\nwant\n%s", got, want)
		}
	}
	close(over)
	guessing.Wait()
	// After 60 wrong ones the budget has no more than what it regained since the first.
	took := time.Since(start)
	if n := revoked() - len(lines) - 1; n < 0 || n > 1+int(took/time.Second) || p.statusOf(t, id) != "revoked" {
		t.Errorf("%d keys of another system are revoked beyond the budget in %v, and the one of our own form is %s", n, took, p.statusOf(t, id))
	}
}
