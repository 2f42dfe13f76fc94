package plugin_test

import (
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// sender has keys and publishes some of them, as GitHub does.
type sender struct {
	keys   map[string]*ecdsa.PrivateKey
	status atomic.Int64 // of its answers
	asked  atomic.Int64
	port   string
}

// theSender is that of the test that runs.
var theSender atomic.Pointer[sender]

func keysPort(t testing.TB) string {
	t.Helper()
	s := &sender{keys: make(map[string]*ecdsa.PrivateKey)}
	s.status.Store(200)
	list := []map[string]any{{"key_identifier": "broken", "key": "x"}}
	for id, curve := range map[string]elliptic.Curve{"current": elliptic.P256(), "old": elliptic.P256(), "wide": elliptic.P384(), "secret": elliptic.P256()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		s.keys[id] = key
		der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		if id != "secret" {
			list = append(list, map[string]any{"key_identifier": id, "key": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), "is_current": id == "current"})
		}
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.asked.Add(1)
		w.WriteHeader(int(s.status.Load()))
		_ = json.NewEncoder(w).Encode(map[string]any{"public_keys": list})
	}))
	t.Cleanup(server.Close)
	_, s.port, _ = net.SplitHostPort(server.Listener.Addr().String())
	theSender.Store(s)
	return s.port
}

func (s *sender) sign(t testing.TB, id string, body []byte) string {
	t.Helper()
	digest := sha256.Sum256(body)
	signature, err := ecdsa.SignASN1(rand.Reader, s.keys[id], digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return base64Of(string(signature))
}

func signed(id, signature string) []string {
	return []string{"Content-Type: application/json", "Github-Public-Key-Identifier: " + id, "Github-Public-Key-Signature: " + signature}
}

// find is a member of a report.
func find(token string) string {
	return `{"token":"` + token + `","type":"socialpatra_api_key","url":"https://github.example/a/blob/1/.env","source":"content"}`
}

func reportOf(tokens ...string) string {
	var finds []string
	for _, token := range tokens {
		finds = append(finds, find(token))
	}
	return "[" + strings.Join(finds, ",") + "]"
}

func (g *gateway) report(t testing.TB, body string, headers []string) response {
	t.Helper()
	return g.do(t, "POST", "/leaks", body, headers...)
}

// A signed report ends the keys of the genuine tokens in it, and its answer does not
// say which these are. It is accepted once.
func TestLeakReports(t *testing.T) {
	g := startRevocation(t)
	s := theSender.Load()
	id, token := g.makeKey(t)
	other, otherToken := g.makeKey(t)
	victim, victims := g.makeKey(t)
	victimID, err := apikey.ParseID(victim)
	if err != nil {
		t.Fatal(err)
	}
	forged, _ := apikey.GenerateFor("patra", victimID)
	body := reportOf(token, forged, "AKIAEXAMPLE", token, otherToken)
	resp := g.report(t, body, signed("current", s.sign(t, "current", []byte(body))))
	if resp.Status != 200 || resp.Body != "[]" {
		t.Errorf("%d %s, want an empty list", resp.Status, resp.Body)
	}
	wantHeaders(t, resp, map[string]string{"Cache-Control": "no-store", "Content-Type": "application/json"})
	for _, id := range []string{id, other} {
		if status := g.statusOf(t, id); status != "revoked" {
			t.Errorf("a reported key is %s", status)
		}
		if history := g.mustCLI(t, "audit", "--key", id, "--json"); strings.Count(history, `"seq"`) != 2 || !strings.Contains(history, `"via":"github","action":"revoke","reason":"leaked"`) {
			t.Errorf("the history: %s", history)
		}
	}
	if n := len(g.logged(t, withMessage("a leak was reported"))); n != 3 {
		t.Errorf("the log says where %d leaks are", n)
	}

	// The same again, also signed anew, with the other key, and after a reload.
	if r := g.cli(t, "reload", "--config", "Caddyfile", "--force"); r.Code != 0 {
		t.Fatal(r.Stderr)
	}
	for _, keyID := range []string{"current", "old"} {
		refusedReport(t, g.report(t, body, signed(keyID, s.sign(t, keyID, []byte(body)))), 409, "repeated_report")
	}
	digest := sha256.Sum256([]byte(body))
	r, v, err := ecdsa.Sign(rand.Reader, s.keys["current"], digest[:])
	if err != nil {
		t.Fatal(err)
	}
	mirrored, err := asn1.Marshal(struct{ R, S *big.Int }{r, new(big.Int).Sub(elliptic.P256().Params().N, v)})
	if err != nil {
		t.Fatal(err)
	}
	refusedReport(t, g.report(t, body, signed("current", base64Of(string(mirrored)))), 409, "repeated_report")

	// The keys stay good while the sender's endpoint has other worries.
	s.status.Store(429)
	for i, keyID := range []string{"current", "old"} {
		body := reportOf(forged, fmt.Sprint(i))
		if resp := g.report(t, body, signed(keyID, s.sign(t, keyID, []byte(body)))); resp.Status != 200 {
			t.Errorf("%s: %d %s", keyID, resp.Status, resp.Body)
		}
	}
	if n := s.asked.Load(); n != 1 {
		t.Errorf("the keys were fetched %d times", n)
	}
	if status := g.statusOf(t, victim); status != "active" {
		t.Errorf("a key whose token was not reported is %s", status)
	}
	g.stop(t)
	for _, secret := range []string{token, otherToken, victims} {
		scanForSecret(t, secret, g.Dir)
	}
}

// refusedReport checks that an answer refuses, says what is wrong, and no more.
func refusedReport(t *testing.T, resp response, status int, code string) {
	t.Helper()
	var p problem
	if err := json.Unmarshal([]byte(resp.Body), &p); err != nil || resp.Status != status || p.Code != code || p.Status != status || p.Detail == "" || strings.Contains(resp.Body, "patra_") {
		t.Errorf("%d %s, want %d %s", resp.Status, resp.Body, status, code)
	}
}

// What is not signed, not whole or not for us is refused, and ends nothing.
func TestLeakReportsRefuse(t *testing.T) {
	g := startRevocation(t)
	start := time.Now()
	s := theSender.Load()
	id, token := g.makeKey(t)
	body := reportOf(token)
	good := s.sign(t, "current", []byte(body))
	der := func(signature string) string { return signature[:len(signature)-4] }
	var zipped bytes.Buffer
	zip := gzip.NewWriter(&zipped)
	_, _ = zip.Write([]byte(body))
	_ = zip.Close()
	many := reportOf(append(make([]string, 1000), token)...)
	large := "[" + find(token) + strings.Repeat(" ", 1<<20) + "]"
	signedJSON := func(body string) (string, []string) {
		return body, signed("current", s.sign(t, "current", []byte(body)))
	}
	type attempt struct {
		body    string
		headers []string
		status  int
		code    string
	}
	attempts := map[string]attempt{
		"unsigned":                  {body, []string{"Content-Type: application/json"}, 400, "malformed_report"},
		"no identifier":             {body, signed("current", good)[:1:1], 400, "malformed_report"},
		"an empty signature":        {body, signed("current", ""), 400, "malformed_report"},
		"no base64":                 {body, signed("current", "%%%"), 400, "malformed_report"},
		"base64 with a space":       {body, signed("current", good[:10]+" "+good[10:]), 400, "malformed_report"},
		"base64 of URLs":            {body, signed("current", "-_-_"), 400, "malformed_report"},
		"two signatures":            {body, append(signed("current", good), "Github-Public-Key-Signature: "+good), 400, "malformed_report"},
		"two identifiers":           {body, append(signed("current", good), "Github-Public-Key-Identifier: current"), 400, "malformed_report"},
		"an unknown key":            {body, signed("secret", s.sign(t, "secret", []byte(body))), 403, "unknown_signing_key"},
		"a key of another curve":    {body, signed("wide", s.sign(t, "wide", []byte(body))), 403, "unknown_signing_key"},
		"a key that cannot be read": {body, signed("broken", good), 403, "unknown_signing_key"},
		"another key's signature":   {body, signed("old", good), 403, "bad_signature"},
		"re-signed by a stranger":   {body, signed("current", s.sign(t, "secret", []byte(body))), 403, "bad_signature"},
		"a cut signature":           {body, signed("current", der(good)), 403, "bad_signature"},
		"a signature with a tail":   {body, signed("current", base64Of(decode64(t, good)+"\x00")), 403, "bad_signature"},
		"one byte more":             {body + " ", signed("current", good), 403, "bad_signature"},
		"one byte less":             {body[:len(body)-1], signed("current", good), 403, "bad_signature"},
		"another order":             {strings.Replace(body, `"type":"socialpatra_api_key",`, "", 1), signed("current", good), 403, "bad_signature"},
		"compressed, signed before": {zipped.String(), append(signed("current", good), "Content-Encoding: gzip"), 415, "unsupported_media_type"},
		"compressed, signed after":  {zipped.String(), append(signed("current", s.sign(t, "current", zipped.Bytes())), "Content-Encoding: gzip"), 415, "unsupported_media_type"},
		"compressed, and not said":  {zipped.String(), signed("current", s.sign(t, "current", zipped.Bytes())), 400, "malformed_report"},
		"a form":                    {body, append(signed("current", good)[1:], form), 415, "unsupported_media_type"},
		"two types":                 {body, append(signed("current", good), "Content-Type: application/json"), 415, "unsupported_media_type"},
	}
	for name, text := range map[string]string{
		"nothing": "", "an object": find(token), "null": "null", "a string": `"` + token + `"`, "a tail": body + "x", "a second list": body + body,
		"a list of strings": `["` + token + `"]`, "null in it": "[" + find(token) + ",null]", "no token": `[{"type":"x"}]`, "a number": `[{"token":1}]`,
		"no UTF-8": "[" + find(token+"\xff") + "]", "cut short": body[:len(body)-2],
	} {
		signedBody, headers := signedJSON(text)
		attempts["signed, "+name] = attempt{signedBody, headers, 400, "malformed_report"}
	}
	_, headers := signedJSON(many)
	attempts["1,001 tokens"] = attempt{many, headers, 413, "report_too_large"}
	_, headers = signedJSON(large)
	attempts["more than 1 MiB"] = attempt{large, headers, 413, "report_too_large"}
	for name, a := range attempts {
		t.Run(name, func(t *testing.T) { refusedReport(t, g.report(t, a.body, a.headers), a.status, a.code) })
	}
	resp := g.do(t, "GET", "/leaks", "")
	refusedReport(t, resp, 405, "method_not_allowed")
	if resp.Header.Get("Allow") != "POST" {
		t.Errorf("Allow: %q", resp.Header.Get("Allow"))
	}
	t.Run("a body that breaks off", func(t *testing.T) {
		conn, err := net.Dial("tcp", strings.TrimPrefix(g.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		lines := append([]string{"POST /leaks HTTP/1.1", "Host: x", fmt.Sprint("Content-Length: ", len(body)+1)}, signed("current", good)...)
		_, _ = io.WriteString(conn, strings.Join(lines, "\r\n")+"\r\n\r\n"+body)
		_ = conn.(*net.TCPConn).CloseWrite()
		answer, _ := io.ReadAll(conn)
		if strings.Contains(string(answer), " 200 ") {
			t.Errorf("answered %s", answer)
		}
	})
	if status := g.statusOf(t, id); status != "active" {
		t.Errorf("the key is %s", status)
	}
	if n, took := s.asked.Load(), time.Since(start); n > 1+int64(took/time.Minute) { // once a minute at most
		t.Errorf("strangers had the keys fetched %d times in %v", n, took)
	}
}

// Without any key nothing is believed, and the sender is asked to come again.
func TestLeakReportsWithoutKeys(t *testing.T) {
	g := startRevocation(t)
	s := theSender.Load()
	s.status.Store(503)
	id, token := g.makeKey(t)
	body := reportOf(token)
	resp := g.report(t, body, signed("current", s.sign(t, "current", []byte(body))))
	refusedReport(t, resp, 503, "no_signing_keys")
	if resp.Header.Get("Retry-After") == "" || g.statusOf(t, id) != "active" {
		t.Errorf("%v, the key is %s", resp.Header, g.statusOf(t, id))
	}
}

func decode64(t testing.TB, text string) string {
	t.Helper()
	plain, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}
