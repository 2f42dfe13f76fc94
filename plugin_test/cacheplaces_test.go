//go:build caches

package plugin_test

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// printedCaches are the configs of the chapter on caches, as they are printed.
type printedCaches struct {
	behind, front           string // of Keygate, in one site with it
	nginxBehind, nginxFront string
}

func cachesPage(t testing.TB) printedCaches {
	t.Helper()
	var caddy, nginx []string
	for _, p := range readPages(t) {
		if p.file != "docs/composition.md" {
			continue
		}
		for _, code := range p.code {
			switch {
			case code.language == "caddy" && strings.Contains(code.text, "\tcache "):
				caddy = append(caddy, code.text)
			case code.language == "nginx":
				nginx = append(nginx, code.text)
			}
		}
	}
	if len(caddy) != 2 || len(nginx) != 2 {
		t.Fatalf("docs/composition.md shows %d sites with a cache and %d servers of nginx, want 2 of each", len(caddy), len(nginx))
	}
	return printedCaches{front: caddy[0], behind: caddy[1], nginxBehind: nginx[0], nginxFront: nginx[1]}
}

// printedSite makes a site of the page one that a test can ask often: without
// limits of guesses, and without an index that the cache keeps of its answers.
func printedSite(site string) string {
	return `{
	keygate {
		store bbolt ./data/keygate.db
	}
	cache {
		disable_surrogate_key
	}
}
` + strings.NewReplacer(":8080 {", ":{$PORT} {", "localhost:9000", "{$BACKEND}", "header X-API-Key", "header X-API-Key\nauth_failures off").Replace(site)
}

// siteWithoutCache has no cache of its own.
func (p printedCaches) siteWithoutCache() string {
	before, rest, _ := strings.Cut(p.front, "\tcache @open")
	_, after, _ := strings.Cut(rest, "\n\t}\n")
	return printedSite(before + after)
}

// nginxInFront starts nginx with a server that listens on 127.0.0.1:8000 and
// asks 127.0.0.1:8080, as printed, and nginxBehind one that listens on
// 127.0.0.1:9000 and asks 127.0.0.1:9001.
func nginxInFront(t testing.TB, server string) func(string) string {
	return nginxBetween(t, server, "127.0.0.1:8000", "127.0.0.1:8080")
}

func nginxBehind(t testing.TB, server string) func(string) string {
	return nginxBetween(t, server, "127.0.0.1:9000", "127.0.0.1:9001")
}

func nginxBetween(t testing.TB, server, listens, asks string) func(string) string {
	return func(asked string) string {
		addr := "127.0.0.1:" + freePort(t)
		startNginxServer(t, strings.NewReplacer(listens, addr, asks, asked,
			"/var/cache/nginx/api", filepath.Join(t.TempDir(), "cache")).Replace(server), addr)
		return addr
	}
}

// No answer to one key reaches another one, or nobody, through a cache that is
// set up as the page says: not even one that the backend calls public.
func TestPrintedCaches(t *testing.T) {
	page := cachesPage(t)
	for name, test := range map[string]struct {
		site          string
		front, behind func(string) string
	}{
		"behind":         {site: printedSite(page.behind)},
		"in front":       {site: printedSite(page.front)},
		"nginx in front": {site: page.siteWithoutCache(), front: nginxInFront(t, page.nginxFront)},
		"nginx behind":   {site: page.siteWithoutCache(), behind: nginxBehind(t, page.nginxBehind)},
	} {
		t.Run(name, func(t *testing.T) {
			s := newCachedSite(t, test.site, test.front, test.behind)
			s.strict = true
			s.run(t)
		})
	}
}

// A cache in front that knows of no keys shares what the backend itself calls
// public, and nothing else.
func TestCachesThatKnowNoKeys(t *testing.T) {
	page := cachesPage(t)
	var careless []string
	for line := range strings.Lines(page.nginxFront) {
		switch {
		case strings.Contains(line, "proxy_no_cache"), strings.Contains(line, "proxy_cache_bypass"):
		default:
			careless = append(careless, line)
		}
	}
	keepsAll := strings.Replace(strings.Join(careless, ""), "proxy_cache api;", "proxy_cache api; proxy_cache_valid any 1m;", 1)
	t.Run("cache-handler", func(t *testing.T) {
		newCachedSite(t, printedSite(strings.Replace(page.front, "cache @open", "cache", 1)), nil, nil).run(t)
	})
	t.Run("nginx", func(t *testing.T) {
		newCachedSite(t, page.siteWithoutCache(), nginxInFront(t, keepsAll), nil).run(t)
	})
}

// Lint accepts the sites of the page, and no site without what they say.
func TestLintOfCaches(t *testing.T) {
	page := cachesPage(t)
	behind, front := page.behind, page.front
	binary, err := pluginsBinary()
	if err != nil {
		t.Fatal(err)
	}
	const (
		coalescing = "\tdisable_coalescing\n"
		key        = "headers SocialPatra-Key-Id"
	)
	for name, test := range map[string]struct {
		site, want string
	}{
		"behind, as printed":          {behind, ""},
		"in front, as printed":        {front, ""},
		"in front of everything":      {strings.Replace(front, "cache @open", "cache", 1), ""},
		"behind, coalescing":          {strings.Replace(behind, coalescing, "", 1), "disable_coalescing"},
		"in front, coalescing":        {strings.Replace(front, coalescing, "", 1), "disable_coalescing"},
		"behind, without a key":       {strings.Replace(behind, key, "", 1), "key { headers Socialpatra-Key-Id }"},
		"behind, by workspace":        {strings.Replace(behind, key, "headers SocialPatra-Workspace SocialPatra-Scopes", 1), "key { headers Socialpatra-Key-Id }"},
		"behind, hashed":              {strings.Replace(behind, key, key+"\nhash", 1), "remove hash"},
		"behind, another prefix":      {strings.Replace(behind, "header X-API-Key", "header X-API-Key\nidentity_prefix Other-", 1), "key { headers Other-Key-Id }"},
		"in front, in a lax mode":     {strings.Replace(front, coalescing, coalescing+"mode bypass_request\n", 1), "mode bypass_request"},
		"in front, lax for all":       {"{\ncache {\nmode bypass\n}\n}\n" + front, "mode bypass"},
		"behind, with a key for all":  {"{\ncache {\nkey {\nheaders SocialPatra-Key-Id\n}\n}\n}\n" + strings.Replace(behind, "key {\n\t\t\t\t"+key+"\n\t\t\t}", "", 1), ""},
		"in front, without Vary":      {strings.Replace(front, coalescing, coalescing+"key {\ndisable_vary\n}\n", 1), "disable_vary"},
		"in front, by the credential": {strings.Replace(front, coalescing, coalescing+"key {\nheaders Authorization\n}\n", 1), "Authorization"},
		"sorted behind by an order":   {"{\norder cache after keygate\n}\n" + strings.Replace(front, "cache @open", "cache", 1), "key { headers Socialpatra-Key-Id }"},
	} {
		t.Run(name, func(t *testing.T) {
			g := lintFolder(t, map[string]string{"Caddyfile": test.site})
			g.binary = pluginsBinary
			found := slices.DeleteFunc(g.lint(t).Findings, func(f finding) bool { return f.Code != "unsafe_cache" })
			if test.want == "" && len(found) > 0 || test.want != "" && len(found) != 1 {
				t.Fatalf("found %v", found)
			}
			for _, f := range found {
				if f.Where != ":8080" || !strings.Contains(f.Problem, test.want) {
					t.Errorf("found %v", f)
				}
			}
		})
	}
	for _, site := range []string{behind, front} {
		dir := t.TempDir()
		adapt := exec.CommandContext(t.Context(), binary, "adapt", "--adapter", "caddyfile", "--config", "-")
		adapt.Dir, adapt.Env, adapt.Stdin = dir, []string{"HOME=" + dir}, strings.NewReader(site)
		if out, err := adapt.CombinedOutput(); err != nil || strings.Contains(string(out), "not formatted") {
			t.Errorf("%v: %s", err, out)
		}
	}
}
