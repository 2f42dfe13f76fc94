//go:build browser

package plugin_test

import (
	"html/template"
	"strings"
	"testing"
)

// callingPage calls with the client that docs/key-holders.md shows, twice at
// once, and reports the answers and what went to the console.
var callingPage = template.Must(template.New("").Parse(`<!doctype html><script type="module">
import { call } from "/client.mjs";
const report = [];
console.error = (line) => report.push(line);
const statusOf = (path) => call({{.Gateway}} + path, {{.Key}}).then((answer) => answer.status, (error) => error.message);
report.push(...await Promise.all([statusOf("/v1/posts"), statusOf("/v1/posts")]), await statusOf("/v1/nothing"));
await fetch("/report", {method: "POST", body: report.join("\n")});
</script>`))

func TestClientInABrowser(t *testing.T) {
	g, _ := startSite(t)
	p := startPages(t, g.URL)
	var report []string
	for range 5 { // where the bucket was full again between the two, which takes a second, neither waits
		token := g.token(t, "--scope", "posts:read", "--per-minute", "60", "--burst", "1")
		p.html.Reset()
		if err := callingPage.Execute(&p.html, map[string]string{"Gateway": g.URL, "Key": token}); err != nil {
			t.Fatal(err)
		}
		report = strings.Split(string(p.open(t, "http://127.0.0.1:"+p.port)), "\n")
		if len(report) > 3 {
			break
		}
	}
	if len(report) != 4 || !strings.HasPrefix(report[0], "HTTP 429 rate_limited: waiting 1.") || report[1] != "200" || report[2] != "200" ||
		!strings.HasPrefix(report[3], "HTTP 403: ") || !strings.Contains(report[3], `"code":"route_not_mapped"`) {
		t.Errorf("the page reports %q", report)
	}
}
