//go:build browser

package plugin_test

import (
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// ownSite lets whoever comes in as ada of acme, as a browser that is signed in and
// sends its cookies anywhere would be. It serves the page of a test too.
const ownSite = `
{
	keygate {
		store bbolt ./data/keygate.db
	}
}
:{$PORT} {
	keygate_console {
		base /settings
		workspace acme
		actor ada
	}
	root ./page
	try_files {path}.html
	file_server
}
`

// attackingPage sends what browsers send to other sites, with and without asking
// first, and then tells that it has.
var attackingPage = template.Must(template.New("").Parse(`<!doctype html><body><script>
(async () => {
	const base = {{.Base}}, id = {{.ID}}, told = [];
	const key = JSON.stringify({name: "forged", scopes: ["posts:read"]});
	const calls = [
		["POST", "/api/keys", key], ["PATCH", "/api/keys/" + id, '{"name":"forged"}'], ["PUT", "/api/keys/" + id, key], ["DELETE", "/api/keys/" + id, undefined],
		["POST", "/api/keys/" + id + "/revoke", undefined], ["POST", "/api/keys/" + id + "/disable", undefined], ["POST", "/api/keys/" + id + "/rotate", "{}"],
		["POST", "/keys/" + id + "/revoke", "confirm=1"], ["POST", "/new", "name=forged&scope=posts%3Aread"], ["POST", "/keys/new", "name=forged&scopes=posts%3Aread"],
	];
	for (const [method, path, body] of calls) {
		for (const mode of {{.Modes}}) {
			for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/json", ""]) {
				const headers = type ? {"Content-Type": type} : {};
				try {
					const resp = await fetch(base + path, {method, mode, headers, body, credentials: "include", keepalive: type === ""});
					told.push(method + " " + path + " " + mode + " " + type + ": " + resp.type + " " + resp.status);
				} catch (e) {
					told.push(method + " " + path + " " + mode + " " + type + ": failed");
				}
			}
		}
	}
	navigator.sendBeacon(base + "/api/keys", new Blob([key], {type: "application/json"}));
	navigator.sendBeacon(base + "/api/keys", key);
	for (const [method, path] of calls.filter(([method]) => method === "POST")) {
		for (const enctype of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]) {
			const frame = document.createElement("iframe");
			frame.name = "f" + Math.random();
			const form = Object.assign(document.createElement("form"), {method, action: base + path, enctype, target: frame.name});
			// As text/plain this is JSON.
			form.append(Object.assign(document.createElement("input"), {name: '{"name":"forged","scopes":["posts:read"],"description":"', value: '"}'}));
			document.body.append(frame, form);
			const loaded = new Promise((resolve) => { frame.onload = resolve; setTimeout(resolve, 3000); });
			form.submit();
			await loaded;
			told.push("form " + path + " " + enctype);
		}
	}
	await fetch({{.Report}}, {method: "POST", mode: "no-cors", body: told.join("\n")});
})();
</script>`))

// A page of another origin changes nothing, whatever a browser lets it send, also
// where it names the site by an address to which browsers tell no Sec-Fetch-Site.
func TestOtherOriginsChangeNothing(t *testing.T) {
	g := startCaddy(t, ownSite)
	k, _ := g.createKey(t, "--scope", "posts:read")
	p := startPages(t, g.URL)
	const keys = "/keygate/keys"
	before := g.adminDo(t, "GET", keys, "").Body
	port := g.URL[strings.LastIndex(g.URL, ":"):]
	for name, tt := range map[string]struct{ from, to string }{
		"another port": {"http://127.0.0.1:" + p.port, g.URL},
		"another name": {"http://127.0.0.1:" + p.port, "http://localhost" + port},
		"another site": {"http://evil.test:" + p.port, "http://app.test" + port},
	} {
		t.Run(name, func(t *testing.T) {
			p.html.Reset()
			if err := attackingPage.Execute(&p.html, map[string]any{"Base": tt.to + "/settings", "ID": k.ID, "Modes": []string{"no-cors", "cors"}, "Report": tt.from + "/report"}); err != nil {
				t.Fatal(err)
			}
			told := string(p.open(t, tt.from, "--host-resolver-rules=MAP *.test 127.0.0.1"))
			if n := strings.Count(told, "\n"); n < 90 || strings.Contains(told, ": basic ") || strings.Contains(told, ": cors ") || !strings.Contains(told, ": opaque ") {
				t.Errorf("the page sent and read\n%s", told)
			}
			if after := g.adminDo(t, "GET", keys, "").Body; after != before {
				t.Errorf("there are keys\n%s\nbefore\n%s", after, before)
			}
		})
	}
}

// sameOriginPage does with the console what its own site does.
var sameOriginPage = template.Must(template.New("").Parse(`<!doctype html><script type="module">
const call = async (method, path, body) => {
	const resp = await fetch("/settings/api/" + path, {method, headers: body && {"Content-Type": "application/json"}, body: body && JSON.stringify(body)});
	return resp.status === 204 ? {status: 204} : {...await resp.json(), status: resp.status};
};
const made = await call("POST", "keys", {name: "one", scopes: ["posts:read"]});
const path = "keys/" + made.key.id;
const told = [made.status];
for (const [method, more, body] of [["PATCH", "", {name: "two"}], ["POST", "/disable"], ["POST", "/enable"], ["POST", "/rotate", {}], ["POST", "/revoke"], ["DELETE", ""]]) {
	told.push((await call(method, path + more, body)).status);
}
await fetch({{.Report}}, {method: "POST", mode: "no-cors", body: told.join(" ")});
</script>`))

func TestOwnOriginManagesKeys(t *testing.T) {
	var html strings.Builder
	p := startPages(t, "")
	if err := sameOriginPage.Execute(&html, map[string]string{"Report": "http://127.0.0.1:" + p.port + "/report"}); err != nil {
		t.Fatal(err)
	}
	g := startCaddy(t, ownSite)
	if err := errors.Join(os.Mkdir(filepath.Join(g.Dir, "page"), 0o700), os.WriteFile(filepath.Join(g.Dir, "page", "page.html"), []byte(html.String()), 0o600)); err != nil {
		t.Fatal(err)
	}
	if got := string(p.open(t, g.URL)); got != "201 200 200 200 201 200 204" {
		t.Errorf("the page of the site got %q", got)
	}
	if resp := g.do(t, "GET", "/settings/api/keys", ""); resp.Status != http.StatusOK || strings.Count(resp.Body, `"rotated_from"`) != 1 {
		t.Errorf("left are %s", fmt.Sprint(resp.Status, resp.Body))
	}
}
