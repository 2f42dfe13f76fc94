package plugin_test

import (
	"os"
	"strings"
	"testing"
)

// earlySite asks for the workspace in every place that docs/composition.md lists for
// handlers of Caddy.
const earlySite = `{
	keygate {
		store bbolt ./data/keygate.db
	}
}
:{$PORT} {
	log {
		output file ./access.log
	}
	vars early {http.auth.user.workspace}
	map {http.auth.user.workspace} {plan} {
		acme large
		default none
	}
	header X-Early "[{http.auth.user.workspace}]"
	header >X-Late "[{http.auth.user.workspace}]"
	log_append late {http.auth.user.workspace}
	intercept {
		@gone status 404
		handle_response @gone {
			header X-Intercepted "[{http.auth.user.workspace}]"
			respond gone 404
		}
	}
	keygate {
		authenticated GET /*
	}
	handle /intercepted {
		respond 404
	}
	handle /get {
		reverse_proxy {$BACKEND} {
			header_up X-Up "[{http.auth.user.workspace}]"
		}
	}
	handle {
		route {
			vars behind {http.auth.user.workspace}
			respond "[{vars.early}] [{vars.behind}] {plan}"
		}
	}
}
`

// What stands before keygate and looks at once finds nothing, for which header writes
// the placeholder itself; all else finds the workspace. Lint tells of the former alone.
func TestEarlyPlaces(t *testing.T) {
	t.Parallel()
	b := startBackend(t)
	g := startCaddy(t, earlySite, "BACKEND="+b.Addr)
	token := g.token(t, "--scope", "posts:read")
	resp := g.get(t, token)
	if want := "[] [acme] large"; resp.Body != want {
		t.Errorf("answered %q, want %q", resp.Body, want)
	}
	for name, want := range map[string]string{"X-Early": "[{http.auth.user.workspace}]", "X-Late": "[acme]"} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if got := g.do(t, "GET", "/intercepted", "", bearer(token)).Header.Get("X-Intercepted"); got != "[acme]" {
		t.Errorf("X-Intercepted: %s", got)
	}
	b.take()
	g.do(t, "GET", "/get", "", bearer(token))
	if got := b.takeOne(t).Header.Get("X-Up"); got != "[acme]" {
		t.Errorf("X-Up: %s", got)
	}
	// Caddy writes the line of a request after its answer.
	await(t, "line of each of three requests with the workspace", func() bool {
		log, err := os.ReadFile(g.Dir + "/access.log")
		return err == nil && strings.Count(string(log), `"late":"acme"`) == 3
	})
	var told []string
	for _, f := range g.lint(t).Findings {
		if f.Code == "early_placeholder" {
			told = append(told, strings.Fields(f.Problem)[0])
		}
	}
	if got := strings.Join(told, " "); got != "headers vars" {
		t.Errorf("lint tells of %s", got)
	}
}
