//go:build browser

package plugin_test

import (
	"html/template"
	"strings"
	"testing"
)

// socketPage opens WebSockets with these lists of subprotocols, one after the
// other, and reports of each what was chosen and the first message.
var socketPage = template.Must(template.New("").Parse(`<!doctype html><script>
(async () => {
	const report = [];
	for (const protocols of {{.Protocols}}) {
		report.push(await new Promise((done) => {
			const socket = new WebSocket({{.Gateway}} + "/v1/live", protocols);
			socket.onmessage = (e) => done(socket.protocol + ": " + e.data);
			socket.onerror = () => done("error");
		}));
	}
	await fetch("/report", {method: "POST", body: report.join("\n")});
})();
</script>`))

// A page opens a WebSocket with a key, from where the key may be used. Chromium
// wants one of the subprotocols that it offered, so the page offers another.
func TestPageOpensAWebSocketWithAKey(t *testing.T) {
	b := startSocketBackend(t)
	g := startCaddy(t, siteWith(socketOptions...), "BACKEND="+b.Listener.Addr().String())
	p := startPages(t, g.URL)
	origin := "http://127.0.0.1:" + p.port
	carrying := func(origin string) string {
		return "keygate.token." + g.token(t, "--scope", "queue:read", "--origin", origin)
	}
	good, foreign := carrying(origin), carrying("https://elsewhere.example")
	if err := socketPage.Execute(&p.html, map[string]any{
		"Gateway":   strings.Replace(g.URL, "http", "ws", 1),
		"Protocols": [][]string{{good, "app"}, {"app", good}, {good}, {foreign, "app"}, {"app"}},
	}); err != nil {
		t.Fatal(err)
	}
	if got, want := string(p.open(t, origin)), "app: app for acme\napp: app for acme\nerror\nerror\nerror"; got != want {
		t.Errorf("the page reports %q, want %q", got, want)
	}
	for _, token := range []string{good, foreign} {
		scanForSecret(t, token, g.Dir)
	}
}
