package plugin_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

// load replaces the running config as caddy reload does, without its process,
// and returns the answer.
func (g *gateway) load(t testing.TB, caddyfile string) response {
	t.Helper()
	defer g.reloads()()
	return g.send(t, g.admin, http.MethodPost, "http://"+g.Admin+"/load", g.withStore(caddyfile), []string{"Content-Type: text/caddyfile", "Cache-Control: must-revalidate"})
}

var goroutineTotal = regexp.MustCompile(`^goroutine profile: total (\d+)`)

// resources counts what a reload may leak.
func (g *gateway) resources(t testing.TB) (goroutines, files int) {
	t.Helper()
	profile := g.adminDo(t, http.MethodGet, "/debug/pprof/goroutine?debug=1", "")
	total := goroutineTotal.FindStringSubmatch(profile.Body)
	if total == nil {
		t.Fatalf("no profile of goroutines: %.200s", profile.Body)
	}
	goroutines, _ = strconv.Atoi(total[1])
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", g.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	return goroutines, len(open)
}

// storeFiles counts the descriptors of the key store.
func (g *gateway) storeFiles(t testing.TB) int {
	t.Helper()
	folder := fmt.Sprintf("/proc/%d/fd", g.cmd.Process.Pid)
	open, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, fd := range open {
		if target, _ := os.Readlink(folder + "/" + fd.Name()); strings.HasSuffix(target, ".db") {
			n++
		}
	}
	return n
}

// insist sends a request until there is an answer: with each reload Caddy gives
// its listeners up for new ones, and connections that nobody had accepted yet
// are reset. This is so without Keygate, too.
func (g *gateway) insist(t testing.TB, path, header string) response {
	t.Helper()
	for range 5 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.URL+path, nil)
		if err != nil {
			t.Error(err)
			return response{}
		}
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Set(name, value)
		if resp, err := g.client.Do(r); err == nil {
			return readAll(t, resp)
		}
	}
	t.Errorf("%s: no answer to five requests", path)
	return response{}
}

// load keeps requests coming until it is stopped.
type load struct {
	stop     chan struct{}
	workers  sync.WaitGroup
	requests atomic.Int64
	granted  atomic.Int64 // to the key that has nothing left
}

func (l *load) worker(request func()) {
	l.workers.Go(func() {
		for {
			select {
			case <-l.stop:
				return
			default:
				request()
				l.requests.Add(1)
			}
		}
	})
}

func (l *load) end() {
	close(l.stop)
	l.workers.Wait()
}

const secondSite = `
http://127.0.0.1:{$PORT2} {
	keygate {
		scope media:upload POST /v1/media
	}
	respond second
}
`

// TestReloads reloads a hundred times under load: requests, buckets,
// revocations, open files and goroutines are as if nothing had been.
func TestReloads(t *testing.T) {
	t.Parallel()
	b := startBackend(t)
	// Caddy leaves the idle connections of each config's proxy to time out.
	withOptions := func(options ...string) string {
		return strings.Replace(siteWith(options...), "reverse_proxy {$BACKEND}", "reverse_proxy {$BACKEND} {\n\ttransport http {\n\tkeepalive off\n\t}\n\t}", 1)
	}
	base := withOptions("auth_failures off")
	g := startCaddy(t, base, "BACKEND="+b.Addr, "PORT2="+freePort(t))
	good := g.token(t, "--scope", "posts:read", "--per-minute", "1000000", "--per-day", "1000000000")
	spent := g.token(t, "--scope", "posts:read", "--per-minute", "1")
	empty := g.token(t, "--scope", "posts:read", "--per-day", "1")
	k, revoked := g.createKey(t, "--scope", "posts:read")
	g.mustCLI(t, "revoke", k.ID)
	for _, token := range []string{spent, empty} {
		if resp := g.do(t, "GET", "/v1/posts", "", bearer(token)); resp.Status != 200 {
			t.Fatalf("%d %s", resp.Status, resp.Body)
		}
	}
	start := time.Now()

	// Caddy starts apps in no order: until the key store turns out to be none,
	// the servers of the failing config may serve, and must refuse.
	const failsInStart = "fails in Start"
	other, err := bolt.Open(filepath.Join(g.Dir, "other.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	var starts atomic.Int64 // of the config that fails, and their ends: odd while it starts

	noCertificate := base + "\nhttps://127.0.0.1:{$PORT2} {\n\ttls /nowhere.pem /nowhere.key\n}\n"
	kinds := []struct {
		name   string
		config string
		fails  bool
	}{
		{"unchanged", base, false},
		{"other routes", withOptions("auth_failures off", "scope queue:read GET /v1/queue"), false},
		{"other limits", withOptions("auth_failures 1000000", "ratelimit_headers off"), false},
		{"fails in Provision", noCertificate, true},
		{failsInStart, strings.Replace(base, "./data/keygate.db", "./other.db", 1), true},
		{"a store that is a folder", strings.Replace(base, "./data/keygate.db", "./data", 1), true},
		{"two sites", base + secondSite, false},
	}

	l := &load{stop: make(chan struct{})}
	expect := func(token string, status int, code string) func() {
		return func() {
			before := starts.Load()
			resp := g.insist(t, "/v1/posts", bearer(token))
			if resp.Status == 503 && (before%2 == 1 || starts.Load() != before) { // it may have started and failed meanwhile
				return
			}
			if token == empty && resp.Status == 200 && time.Now().UTC().Truncate(24*time.Hour).After(start) { // the next day's
				return
			}
			if resp.Status != status || code != "" && !strings.Contains(resp.Body, `"code":"`+code+`"`) {
				t.Errorf("answered %d %s, want %d %s", resp.Status, resp.Body, status, code)
			}
		}
	}
	l.worker(expect(good, 200, ""))
	l.worker(expect(revoked, 401, "key_revoked"))
	l.worker(expect(empty, 429, "quota_exceeded"))
	l.worker(func() {
		if g.insist(t, "/v1/posts", bearer(spent)).Status == 200 {
			l.granted.Add(1)
		}
	})

	reloads := func(n int) {
		for i := range n {
			kind := kinds[i%len(kinds)]
			if kind.name == failsInStart {
				starts.Add(1)
			}
			made := l.requests.Load()
			resp := g.load(t, kind.config)
			if kind.name == failsInStart {
				starts.Add(1)
			}
			if (resp.Status != 200) != kind.fails {
				t.Fatalf("%s: %d %s", kind.name, resp.Status, resp.Body)
			}
			// The admin API is that of the config that runs, also after a failure.
			if resp := g.adminDo(t, "GET", "/keygate/keys/"+k.ID, ""); resp.Status != 200 || !strings.Contains(resp.Body, `"status":"revoked"`) {
				t.Errorf("%s: the admin API answers %d %s", kind.name, resp.Status, resp.Body)
			}
			await(t, "request beside each reload", func() bool { return l.requests.Load() > made })
		}
	}
	reloads(2 * len(kinds)) // what is made once is made
	before, filesBefore := g.resources(t)
	reloads(100 - 2*len(kinds))
	// What earlier configs still do ends soon, and what leaked does not.
	var after, filesAfter int
	defer func() {
		if t.Failed() {
			t.Logf("%d goroutines and %d files after", after, filesAfter)
		}
	}()
	await(t, fmt.Sprintf("state with %d goroutines and %d files, or 10 more", before, filesBefore), func() bool {
		after, filesAfter = g.resources(t)
		return after <= before+10 && filesAfter <= filesBefore+10
	})
	l.end()

	await(t, "state in which the store is open once", func() bool { return g.storeFiles(t) == 1 })
	if most := int64(time.Since(start)/time.Minute) + 1; l.granted.Load() > most {
		t.Errorf("a key of one a minute was granted %d more in %v", l.granted.Load(), time.Since(start))
	}
}

// TestReloadsToElsewhere leaves the store, and comes back to it.
func TestReloadsToElsewhere(t *testing.T) {
	t.Parallel()
	g, _ := startSite(t)
	good := g.token(t, "--scope", "posts:read", "--per-day", "3")
	spent := g.token(t, "--scope", "posts:read", "--per-minute", "1")
	use := func(token string, status int) {
		t.Helper()
		if resp := g.do(t, "GET", "/v1/posts", "", bearer(token)); resp.Status != status {
			t.Errorf("answered %d %s, want %d", resp.Status, resp.Body, status)
		}
	}
	sameDay()
	start := time.Now()
	use(spent, 200)
	l := &load{stop: make(chan struct{})}
	l.worker(func() {
		if resp := g.insist(t, "/v1/status", "X-Other: none"); resp.Status != 200 {
			t.Errorf("a public request: %d %s", resp.Status, resp.Body)
		}
	})
	for _, other := range []string{
		strings.Replace(siteWith(), "keygate.db", "other.db", 1),
		":{$PORT} {\n\treverse_proxy {$BACKEND}\n}\n", // no keygate at all
	} {
		use(good, 200)
		if resp := g.load(t, other); resp.Status != 200 {
			t.Fatal(resp.Body)
		}
		if strings.Contains(other, "keygate {") {
			use(good, 401)
		}
		if resp := g.load(t, siteWith()); resp.Status != 200 {
			t.Fatal(resp.Body)
		}
		if resp := g.do(t, "GET", "/v1/posts", "", bearer(spent)); resp.Status != 429 && time.Since(start) < time.Minute {
			t.Errorf("a minute bucket is lost: %d", resp.Status)
		}
	}
	l.end()
	use(good, 200)
	use(good, 429)
	await(t, "state in which one store is open", func() bool { return g.storeFiles(t) == 1 })
}
