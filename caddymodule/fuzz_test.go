package caddymodule

import (
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/socialpatra/keygate/internal/goldentest"
)

// Whatever stands in a keygate block, it is a handler that provisions, or an
// error of one line. The block goes to the directive without Caddy's parser
// before it, so that nothing is imported, and braces need not match.
func FuzzCaddyfile(f *testing.F) {
	for _, file := range goldentest.Caddyfiles(f, "adapt") {
		f.Add(file.Text)
	}
	for _, file := range goldentest.Caddyfiles(f, "mistakes") {
		f.Add(file.Text)
	}
	f.Add("scope a:b c:d GET,HEAD /a/{id}/* cost=5 websocket\npublic * /b\nerrors caddy\nauth_failures off")
	f.Add("public GET /a\ncors {\nallow_headers X-A X-B\nexpose_headers X-C\nmax_age 1h\n}\nheader X_Y.Z\nidentity_prefix A-")
	f.Add("authenticated {\nGET /a\n}\n}\ncors off\n{")
	ctx, err := caddy.ProvisionContext(new(caddy.Config))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body string) {
		tokens, err := caddyfile.Tokenize([]byte("keygate {\n"+body+"\n}\n"), "Caddyfile")
		if err != nil {
			return // Caddy's own syntax
		}
		h := new(Handler)
		if err := h.UnmarshalCaddyfile(caddyfile.NewDispenser(tokens)); err != nil {
			checkOneLine(t, err, tokens)
			return
		}
		if err := h.Provision(ctx); err != nil {
			t.Errorf("parses, and does not provision: %v", err)
		}
	})
}

// checkOneLine leaves out input with line ends inside a token, which Caddy's own
// errors quote as they are.
func checkOneLine(t *testing.T, err error, tokens []caddyfile.Token) {
	t.Helper()
	for _, token := range tokens {
		if strings.ContainsAny(token.Text, "\r\n") {
			return
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("the error is more than a line: %q", err)
	}
}
