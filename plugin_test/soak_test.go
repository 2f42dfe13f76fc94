//go:build soak

package plugin_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// soak is one gateway under all kinds of load at once, and a model of what its
// clients know.
type soak struct {
	t *testing.T
	g *gateway
	b *soakBackend

	servers, transport string // of the config: timeouts

	stop     chan struct{}
	workers  sync.WaitGroup
	kinds    []kind
	accounts []*account

	faults   atomic.Int64
	cut      atomic.Int64 // requests without an answer, which the client did not give up
	adminCut atomic.Int64 // calls to the admin endpoint without an answer
	unknown  atomic.Int64 // of those, changes of which the client had to look what became of them

	slowestReload, slowestChange time.Duration // each written by one worker
}

// perDay is what the key called day may.
const perDay = 200

// soakBurst is what the key called minute, which regains one a second, may have at once.
const soakBurst = 20

// kind is a row of the report.
type kind struct {
	name string
	n    *atomic.Int64
}

// soakTimes are how long the load goes on, and how long the quiet after it may
// last until all is as before. SOAK, a duration, is the load of the full form, in
// which Caddy's own timeouts hold: 140 s of quiet outlast the two minutes
// for which a proxy keeps idle connections. The short form sets timeouts of a
// second.
func soakTimes(t *testing.T) (load, quiet time.Duration, full bool) {
	t.Helper()
	value := os.Getenv("SOAK")
	if value == "" {
		return 15 * time.Second, 60 * time.Second, false
	}
	load, err := time.ParseDuration(value)
	if err != nil {
		t.Fatalf("SOAK: %v", err)
	}
	return load, 140 * time.Second, true
}

// TestSoak has a gateway do everything at once for a while: good, refused,
// limited, malformed, slow and cancelled requests, WebSockets, changes of keys
// every 50 ms, and a reload every 2 s. Each answer is judged by what the client
// knows. After that, in the quiet, goroutines and descriptors are exactly
// those of before, and the gateway has counted what the clients have.
func TestSoak(t *testing.T) {
	load, quiet, full := soakTimes(t)
	s := &soak{t: t, b: startSoakBackend(t), stop: make(chan struct{})}
	if !full {
		s.servers = "servers {\ntimeouts {\nidle 1s\n}\n}"
		s.transport = "transport http {\nkeepalive 1s\n}"
	}
	s.g = startCaddy(t, s.config(0), "BACKEND="+s.b.Addr, "PORT2="+freePort(t), "PORT3="+freePort(t))

	minute := s.account("minute", "--scope", "posts:read", "--per-minute", "60", "--burst", fmt.Sprint(soakBurst))
	day := s.account("day", "--scope", "posts:read", "--per-minute", "1000000", "--per-day", fmt.Sprint(perDay))
	s.load(restConfig)
	before := s.settled()

	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	began := time.Now()
	s.passes("reads", 0, "GET", "/v1/posts", 0, noBody)
	s.passes("more reads", 0, "GET", "/v1/posts?page=2", 0, noBody)
	s.passes("HEAD", 5*time.Millisecond, "HEAD", "/v1/posts", 0, noBody)
	s.passes("empty bodies", 5*time.Millisecond, "POST", "/v1/posts", 0, bodyOf(0))
	s.passes("big bodies", 20*time.Millisecond, "POST", "/v1/posts", 3<<20, bodyOf(3<<20))
	s.passes("slow bodies", 0, "POST", "/v1/posts", 50, trickle(50))
	s.passes("slow answers", 0, "GET", "/v1/slow", 0, noBody)
	s.refused(time.Millisecond)
	s.limited(minute, 10*time.Millisecond, "rate_limited")
	s.limited(day, 10*time.Millisecond, "quota_exceeded")
	s.malformed(10 * time.Millisecond)
	s.cancelled(20 * time.Millisecond)
	s.keptSockets(time.Second)
	s.killedSockets(200 * time.Millisecond)
	client := s.changes(seed)
	s.reloads()

	<-time.After(load) // the load is for this long: nothing ends it sooner
	close(s.stop)
	s.workers.Wait()
	took := time.Since(began)
	s.load(restConfig)
	s.g.client.CloseIdleConnections()
	s.g.admin.CloseIdleConnections()

	after, calm := s.quiet(before, quiet)
	if !maps.Equal(after, before) {
		t.Errorf("goroutines and descriptors before:\n%v\nafter %v of quiet:\n%v", before, calm, after)
	}
	s.checkLimits(minute, day)
	s.checkUse()
	s.checkKeys(client)
	s.checkLog()
	if errors := byLabel(s.g.metrics(t)["caddy_keygate_store_errors_total"])[""]; errors != 0 {
		t.Errorf("the store failed %v times", errors)
	}
	for _, breach := range s.b.breaches {
		t.Errorf("reached the backend: %s", breach)
	}
	s.report(took, calm, before, after)
}

// restConfig is the number of the config that runs when the gateway is measured:
// another config may have more listeners.
const restConfig = 1_000_001

// load loads the config of a number.
func (s *soak) load(number int) {
	s.t.Helper()
	if resp := s.tell("POST", "/load", s.config(number), "Content-Type: text/caddyfile"); resp.Status != 200 {
		s.t.Fatalf("reload: %d %s", resp.Status, resp.Body)
	}
}

// holdings are what a process has: how many goroutines of a kind, and how many
// descriptors.
type holdings map[string]int

func (h holdings) String() string {
	var text strings.Builder
	for _, what := range slices.Sorted(maps.Keys(h)) {
		fmt.Fprintf(&text, "%6d %s\n", h[what], what)
	}
	return text.String()
}

// sum adds up what begins with a prefix.
func (h holdings) sum(prefix string) (n int) {
	for what, count := range h {
		if strings.HasPrefix(what, prefix) {
			n += count
		}
	}
	return n
}

var goroutineKind = regexp.MustCompile(`(?m)^(\d+) @.*\n((?:#\t.*\n)*)`)

// holds reads what the gateway has. A kind of goroutine is the function that it
// was started with. The one that waits for more of this very call is there or
// not, and each connection has another one besides.
func (s *soak) holds() holdings {
	h := make(holdings)
	profile := s.tell("GET", "/debug/pprof/goroutine?debug=1", "")
	for _, m := range goroutineKind.FindAllStringSubmatch(profile.Body, -1) {
		stack := strings.Split(strings.TrimSpace(m[2]), "\n")
		frame := strings.Fields(stack[len(stack)-1])
		if len(frame) < 3 {
			continue // of Go's runtime, which shows no frame of those
		}
		function, _, _ := strings.Cut(frame[2], "+")
		n, _ := strconv.Atoi(m[1])
		h["goroutine "+function] += n
	}
	delete(h, "goroutine net/http.(*connReader).backgroundRead")
	folder := fmt.Sprintf("/proc/%d/fd/", s.g.cmd.Process.Pid)
	open, err := os.ReadDir(folder)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, fd := range open {
		target, _ := os.Readlink(folder + fd.Name())
		what, _, _ := strings.Cut(target, ":") // "socket:[4711]"
		h["descriptor "+what]++
	}
	return h
}

// settled returns what a gateway without load has, once that has stayed the same
// for two seconds. Caddy keeps a lock of its own storage for some seconds after
// its start.
func (s *soak) settled() (h holdings) {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for same := 0; same < 8; {
		now := s.holds()
		if same++; !maps.Equal(now, h) || h.sum("goroutine github.com/caddyserver/certmagic.keepLockfileFresh") > 0 {
			h, same = now, 0
		}
		select {
		case <-tick.C:
		case <-deadline:
			s.t.Fatalf("goroutines and descriptors do not settle without load:\n%v", h)
		}
	}
	return h
}

// quiet waits until the gateway has what it had before, at most so long.
func (s *soak) quiet(before holdings, most time.Duration) (h holdings, took time.Duration) {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); ; <-tick.C {
		h = s.holds()
		if took = time.Since(began); maps.Equal(h, before) || took > most {
			return h, took
		}
	}
}

// checkLimits holds what passed of the limited keys against their limits, from
// both sides: they were asked for more all the time. When each request was decided is
// known from when it was sent and answered.
func (s *soak) checkLimits(minute, day *account) {
	s.t.Helper()
	const slack = 2
	// One a second comes back: at most until the last answer, and at least until a
	// request that found the bucket empty, but for what a full bucket did not take.
	most := soakBurst + int64(minute.last.Sub(minute.asked).Seconds()) + slack
	least := soakBurst + int64((minute.empty.Sub(minute.first) - minute.paused).Seconds()) - slack
	if n := minute.allowed.Load(); n < least || n > most || minute.limited.Load() == 0 {
		s.t.Errorf("of a key with 60 a minute and a burst of %d, %d passed in %v, want %d to %d", soakBurst, n, minute.last.Sub(minute.asked), least, most)
	}
	const oneDay = 24 * time.Hour
	days := int64(day.last.UTC().Truncate(oneDay).Sub(day.asked.UTC().Truncate(oneDay))/oneDay) + 1
	if n := day.allowed.Load(); n > perDay*days || n < perDay || day.limited.Load() == 0 {
		s.t.Errorf("of a key with %d a day %d passed on %d days, and %d were refused", perDay, n, days, day.limited.Load())
	}
}

// checkUse holds the gateway's count of each key against the client's. It is the
// same, but for requests that the client gave up: each of these counts once or
// not at all, and once if it has reached the backend.
func (s *soak) checkUse() {
	s.t.Helper()
	for _, a := range s.accounts {
		var usage struct {
			Days []struct{ Allowed, Limited, Denied int64 }
		}
		resp := s.tell("GET", "/keygate/keys/"+a.id+"/usage?days=2", "")
		if err := json.Unmarshal([]byte(resp.Body), &usage); err != nil || resp.Status != 200 {
			s.t.Errorf("usage: %d %s", resp.Status, resp.Body)
			continue
		}
		var allowed, limited, denied int64
		for _, day := range usage.Days {
			allowed, limited, denied = allowed+day.Allowed, limited+day.Limited, denied+day.Denied
		}
		least, most, arrived := a.allowed.Load(), a.allowed.Load()+a.cancelled.Load(), s.b.arrivals(a.id)
		if allowed < max(least, arrived) || allowed > most || arrived < least {
			s.t.Errorf("%s: %d uses are counted, and %d reached the backend; the client was answered %d times and gave up %d, and %d were cut",
				a.name, allowed, arrived, least, a.cancelled.Load(), a.cut.Load())
		}
		if limited != a.limited.Load() || denied != a.denied.Load() {
			s.t.Errorf("%s: %d limited and %d denied are counted, the client has %d and %d", a.name, limited, denied, a.limited.Load(), a.denied.Load())
		}
	}
}

// checkKeys holds all keys against the model of the client that changed them.
func (s *soak) checkKeys(c *keyClient) {
	s.t.Helper()
	found := s.records()
	checkWhole(s.t, s.g, len(found))
	c.settle(s.t, found)
	for _, h := range c.keys {
		s.check(c, h)
	}
}

// soakErrors are what Caddy says at level error of this load: what it refuses
// [badSite] with, and that the backend or the client was quicker to close a
// socket whose delay is over.
var soakErrors = []struct{ logger, msg, err string }{
	{"admin.api", "request error", "/nowhere.pem"},
	{"http.handlers.reverse_proxy", "failed to closed connections after delay", ""},
}

// checkLog wants no other line at level error, and no panic.
func (s *soak) checkLog() {
	s.t.Helper()
	log, err := os.Open(s.g.Log)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 4<<20)
	unexpected := make(map[string]int)
	for lines.Scan() {
		var line struct{ Level, Logger, Msg, Error string }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			if strings.Contains(lines.Text(), "panic") || strings.Contains(lines.Text(), "DATA RACE") {
				s.t.Errorf("the log has %.300s", lines.Text())
			}
			continue
		}
		expected := false
		for _, e := range soakErrors {
			expected = expected || line.Logger == e.logger && line.Msg == e.msg && strings.Contains(line.Error, e.err)
		}
		if line.Level == "error" && !expected {
			unexpected[line.Logger+": "+line.Msg+": "+line.Error]++
		}
	}
	if err := lines.Err(); err != nil {
		s.t.Error(err)
	}
	for _, line := range slices.Sorted(maps.Keys(unexpected)) {
		s.t.Errorf("the log has %d times at level error: %.300s", unexpected[line], line)
	}
}

func (s *soak) report(took, calm time.Duration, before, after holdings) {
	s.t.Helper()
	var text strings.Builder
	row := func(what string, value any) { fmt.Fprintf(&text, "\n| %s | %v |", what, value) }
	row("what", "count")
	row("---", "---:")
	var all int64
	for _, k := range s.kinds {
		row(k.name, k.n.Load())
		all += k.n.Load()
	}
	row("all of these", all)
	row("load", took.Round(time.Second))
	row("requests without an answer, each sent again", s.cut.Load())
	row("admin calls without an answer", s.adminCut.Load())
	row("of them changes that were looked up", s.unknown.Load())
	row("slowest reload", s.slowestReload.Round(time.Millisecond))
	row("slowest change", s.slowestChange.Round(time.Millisecond))
	row("faults", s.faults.Load())
	for _, what := range []string{"goroutine", "descriptor"} {
		row(what+"s before, after", fmt.Sprintf("%d, %d", before.sum(what), after.sum(what)))
	}
	row("quiet until then", calm.Round(time.Millisecond))
	s.t.Log(text.String())
}
