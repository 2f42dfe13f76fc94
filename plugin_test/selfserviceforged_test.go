package plugin_test

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// forgeries are what a client may add to claim that it is of acme.
var forgeries = func() (all [][]string) {
	claims := []string{"X-Workspace: acme", "X-User: ada", "X-Role: admin", "X-Plan: pro"}
	spelt := func(spell func(name string) string) (headers []string) {
		for _, claim := range claims {
			name, value, _ := strings.Cut(claim, ": ")
			headers = append(headers, spell(name)+": "+value)
		}
		return headers
	}
	for _, spell := range []func(string) string{
		func(name string) string { return name },
		strings.ToLower,
		strings.ToUpper,
		func(name string) string { return strings.ReplaceAll(name, "-", "_") },
		func(name string) string { return strings.ReplaceAll(name, "-", ".") },
		func(name string) string { return "http.reverse_proxy.header." + name },
		func(name string) string { return "Remote-" + name[2:] },
	} {
		all = append(all, spelt(spell))
	}
	once := all[0]
	return append(all, nil,
		slices.Concat(once, once),
		slices.Concat(once, []string{"Connection: X-Workspace, X-User, X-Role, X-Plan"}),
		slices.Concat(once, []string{"Connection: close, Cookie"}),
		slices.Concat(once, []string{"X-Forwarded-Uri: /sign-in", "X-Forwarded-Method: POST", "X-Forwarded-Host: localhost"}),
	)
}()

// edges are paths that one reader takes for the console's, and another does not.
var edges = []string{
	"", "/", "/api", "/api/", "/api/keys", "/api/keys/", "/api/keys/ID", "/api//keys", "//api/keys", "/./api/keys", "/x/../api/keys",
	"%2fapi/keys", "/api%2fkeys", "/api/keys%20", "/api/keys?workspace=acme", "./api/keys", ";/api/keys", "x/api/keys", "/%61pi/keys",
	"/../api-keys/api/keys", "%00/api/keys", "\\api\\keys",
}

// spelt returns the paths at the edge of a base.
func spelt(base, id string) (paths []string) {
	for _, edge := range edges {
		paths = append(paths, base+strings.ReplaceAll(edge, "ID", id))
	}
	for _, other := range []string{strings.ToUpper(base), "/" + base, "/x/.." + base, strings.ReplaceAll(base, "/api", "//api"), strings.ReplaceAll(base, "/api", "%2fapi"), strings.ReplaceAll(base, "a", "%61")} {
		if other != base {
			paths = append(paths, other+"/api/keys", other+"/api/keys/"+id, other)
		}
	}
	return slices.DeleteFunc(paths, func(path string) bool { return !strings.HasPrefix(path, "/") })
}

// forge sends every forgery to every path, and changes too. Nothing in the answers
// is of the key, and no key is made or changed.
func (c *console) forge(t *testing.T, who *http.Client, base string, k key, also ...string) {
	t.Helper()
	before, n := c.stored(t), 0
	ask := func(method, path, body string, headers []string) {
		n++
		resp, err := attempt(t.Context(), who, method, c.URL+path, body, append(slices.Clone(headers), also...))
		if err != nil {
			if strings.Contains(path, "%00") || strings.Contains(path, `\`) {
				return // the client itself refuses it
			}
			t.Fatal(err)
		}
		if strings.Contains(resp.Body, k.ID+`"`) || strings.Contains(resp.Body, `"acme"`) {
			t.Errorf("%s %s with %q: %d %s", method, path, headers, resp.Status, resp.Body)
		}
	}
	for _, headers := range forgeries {
		for _, path := range spelt(base, k.ID) {
			ask("GET", path, "", headers)
		}
		changing := append(slices.Clone(headers), "Content-Type: application/json")
		for _, base := range []string{base, strings.ToUpper(base), "/" + base} {
			ask("POST", base+"/api/keys", `{"name":"forged","scopes":["posts:read"],"workspace":"acme"}`, changing)
			ask("DELETE", base+"/api/keys/"+k.ID, "", headers)
			ask("POST", base+"/api/keys/"+k.ID+"/rotate", "{}", changing)
			ask("POST", base+"/api/keys/"+k.ID+"/revoke", "", changing)
		}
	}
	if after := c.stored(t); after != before {
		t.Errorf("forged changes were made:\n%s\nbefore\n%s", after, before)
	}
	if n < 300 {
		t.Errorf("only %d requests were forged", n)
	}
}

// What a client claims of itself is not believed in any recipe with a service that
// is asked: not from a stranger, not from a member of another workspace, and not
// where the service forgets to say something.
func TestForgedCallersAreNotBelieved(t *testing.T) {
	t.Parallel()
	answers := map[string]func(w http.ResponseWriter){
		"nobody is signed in": func(w http.ResponseWriter) { w.WriteHeader(http.StatusUnauthorized) },
		"without a workspace": func(w http.ResponseWriter) {
			w.Header().Set("X-User", "grace")
			w.Header().Set("X-Role", "admin")
			w.Header().Set("X-Plan", "pro")
		},
		"without a user": func(w http.ResponseWriter) {
			w.Header().Set("X-Workspace", "acme")
			w.Header().Set("X-Role", "admin")
			w.Header().Set("X-Plan", "pro")
		},
		"with empty ones": func(w http.ResponseWriter) {
			w.Header()["X-Workspace"], w.Header()["X-User"] = []string{""}, []string{""}
		},
		"with two of each": func(w http.ResponseWriter) {
			w.Header()["X-Workspace"], w.Header()["X-User"] = []string{"acme", "globex"}, []string{"ada", "grace"}
		},
		"with nothing": func(http.ResponseWriter) {},
	}
	asked := 0
	for i, text := range recipes(t) {
		if !strings.Contains(text, "forward_auth") {
			continue
		}
		asked++
		t.Run(fmt.Sprint("recipe ", i+1), func(t *testing.T) {
			var answer func(http.ResponseWriter)
			c := startConsole(t, text, startSayer(t, func(w http.ResponseWriter) { answer(w) }), map[string]string{"page": ""})
			k, _ := c.createKey(t, "--scope", "posts:read")
			for name, does := range answers {
				t.Run(name, func(t *testing.T) {
					answer = does
					c.forge(t, c.client, settings, k)
				})
			}
		})
	}
	if asked < 4 {
		t.Errorf("only %d recipes ask a service", asked)
	}
}

// Who is signed in is who is signed in, whatever else the request says.
func TestForgersAreWhoTheyAre(t *testing.T) {
	t.Parallel()
	for i, text := range recipes(t) {
		if !strings.Contains(text, "forward_auth") {
			continue
		}
		t.Run(fmt.Sprint("recipe ", i+1), func(t *testing.T) {
			c := startConsole(t, text, startSayer(t, func(w http.ResponseWriter) {
				for name, value := range map[string]string{"X-Workspace": "globex", "X-User": "grace", "X-Role": "member", "X-Plan": "free"} {
					w.Header().Set(name, value)
				}
			}), map[string]string{"page": ""})
			for _, headers := range forgeries {
				resp := c.by(t, c.client, "GET", settings+"/api/policy", "", headers...)
				if resp.Status != http.StatusOK || !strings.Contains(resp.Body, `"workspace":"globex","actor":"grace"`) {
					t.Errorf("with %q: %d %s", headers, resp.Status, resp.Body)
				}
				if strings.Contains(text, "@admin") && !strings.Contains(resp.Body, `"may":["list","usage"]`) {
					t.Errorf("with %q a member may more: %s", headers, resp.Body)
				}
				if strings.Contains(text, "X-Plan") && !strings.Contains(resp.Body, `"max":60}`) {
					t.Errorf("with %q a plan is another: %s", headers, resp.Body)
				}
			}
		})
	}
}

func TestForgedOperatorsAndCertificates(t *testing.T) {
	t.Parallel()
	t.Run("operators", func(t *testing.T) {
		c := startConsole(t, recipe(t, "For operators", 0), "", nil)
		k, _ := c.createKey(t, "--scope", "posts:read")
		c.forge(t, c.client, "", k)
		c.forge(t, c.client, "", k, basicAuth("ada", "wrong"))
	})
	t.Run("certificates", func(t *testing.T) {
		customers := newAuthority(t)
		ca, err := os.ReadFile(customers.file("ca.pem"))
		if err != nil {
			t.Fatal(err)
		}
		// Another site of the server asks for no certificate.
		c := startConsole(t, recipe(t, "By client certificates", 0)+"\nopen.example.com {\n\trespond open\n}\n", "", map[string]string{"customers-ca.pem": string(ca)})
		k, _ := c.createKey(t, "--scope", "posts:read")
		c.forge(t, c.browser(t, customers.client(t, "grace", "globex")), "", k)
		c.forge(t, c.browser(t, customers.client(t, "grace")), "", k)
		through := c.browser(t, nil)
		through.Transport.(*http.Transport).TLSClientConfig = &tls.Config{ServerName: "open.example.com", InsecureSkipVerify: true}
		c.forge(t, through, "", k)
	})
}

// A service that is asked for fewer paths than the console has leaves the others
// closed, as what it would have said has no value there.
func TestNarrowMatcherLeavesTheRestClosed(t *testing.T) {
	t.Parallel()
	text := regexp.MustCompile(`forward_auth `).ReplaceAllString(recipe(t, "A page of your own", 0), "forward_auth "+settings+"/api/policy ")
	c := startConsole(t, text, startSayer(t, func(w http.ResponseWriter) {
		w.Header().Set("X-Workspace", "acme")
		w.Header().Set("X-User", "ada")
	}), map[string]string{"page": ""})
	k, _ := c.createKey(t, "--scope", "posts:read")
	if resp := c.by(t, c.client, "GET", settings+"/api/policy", ""); resp.Status != http.StatusOK {
		t.Errorf("the path that is asked about: %d %s", resp.Status, resp.Body)
	}
	c.forge(t, c.client, settings, k)
}
