package plugin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// longRun returns for how long a test goes on that can go on for as long as
// anybody likes: KEYGATE_LONG, a duration such as 10m. Without it the test is
// in its short form.
func longRun(t testing.TB) time.Duration {
	t.Helper()
	value := os.Getenv("KEYGATE_LONG")
	if value == "" {
		return 0
	}
	long, err := time.ParseDuration(value)
	if err != nil {
		t.Fatalf("KEYGATE_LONG: %v", err)
	}
	return long
}

// Whatever was acknowledged outlives a kill at any moment, and nothing else
// changes; counts of the day lose at most the last second. The seed is in the
// name of the subtest; it chooses what clients do and after how many changes
// the gateway is killed.
func TestKillLoop(t *testing.T) {
	t.Parallel()
	long, start := longRun(t), time.Now()
	for seed := uint64(1); seed == 1 || time.Since(start) < long; seed++ {
		if !t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { killLoop(t, seed) }) {
			return
		}
	}
}

const killRounds = 4

func killLoop(t *testing.T, seed uint64) {
	g, b := startSite(t, "auth_failures off")
	rng := rand.New(rand.NewPCG(seed, 0))
	var clients []*keyClient
	for i := range 4 {
		clients = append(clients, &keyClient{name: fmt.Sprintf("client%d", i), rng: rand.New(rand.NewPCG(seed, uint64(i+1)))})
	}
	purses := []*purse{newPurse(t, g, 1500), newPurse(t, g, 1_000_000_000)}
	day := time.Now().UTC().Truncate(24 * time.Hour)

	for round := range killRounds {
		edits := round%2 == 0
		var atLeast time.Duration
		if !edits {
			atLeast = 2*time.Second + 500*time.Millisecond // so that most counts must have been saved
		}
		killed, slowest := g.killUnderLoad(t, clients, purses, edits, 200+rng.IntN(300), atLeast)
		b.count(purses)
		g.start(t)
		for _, p := range purses {
			// A save is a change as well, and waits as long as others do. Nor is its
			// turn later by more than the longest wait of a client.
			p.settle(t, g, killed.Add(-time.Second-2*slowest))
		}
		found := g.allRecords(t)
		checkWhole(t, g, len(found))
		for _, p := range purses {
			delete(found, p.id)
		}
		for _, c := range clients {
			c.settle(t, found)
		}
		for _, stray := range found {
			t.Errorf("nobody made this key: %v", stray)
		}
		for _, c := range clients {
			for _, h := range c.keys {
				if err := h.check(t.Context(), t, g); err != nil {
					t.Fatal(err)
				}
			}
		}
		if t.Failed() {
			t.Fatalf("after kill %d of seed %d", round+1, seed)
		}
		b.take()
	}

	days := 1 + int(time.Since(day)/(24*time.Hour))
	for _, p := range purses {
		t.Logf("per_day %d: %d passed, %d of them within a second before a kill", p.perDay, p.reached, p.late)
		if p.reached > p.perDay*days+p.late {
			t.Errorf("%d requests of a key with per_day %d passed, %d of them within a second before a kill", p.reached, p.perDay, p.late)
		}
	}
	p := purses[0]
	for days == 1 {
		resp := g.get(t, p.token)
		if resp.Status == 429 || time.Since(day) >= 24*time.Hour { // of the next day there is a count of its own
			break
		}
		if p.reached++; resp.Status != 200 || p.reached > p.perDay+p.late {
			t.Fatalf("answered %d as number %d of %d a day", resp.Status, p.reached, p.perDay)
		}
	}
	g.stop(t)
	g.mustCLI(t, "check", "--db", "data/keygate.db")
}

// killUnderLoad has all clients change keys and send requests at once, and
// kills the gateway once so many changes are acknowledged, over at least so
// long a time, with others under way. It returns when that was and how long a client has
// waited at most, for a change or an answer or for its turn on the machine.
func (g *gateway) killUnderLoad(t *testing.T, clients []*keyClient, purses []*purse, edits bool, changes int, atLeast time.Duration) (killed time.Time, slowest time.Duration) {
	t.Helper()
	var acked, ended atomic.Int64
	var dead atomic.Bool
	due := make(chan struct{})
	isDue := sync.OnceFunc(func() { close(due) })
	began := time.Now()
	latest := make([]time.Duration, len(clients))
	work := func(ctx context.Context, c *keyClient, slowest *time.Duration) error {
		last := time.Now()
		step := func() { // also one that the kill has cut off
			now := time.Now()
			*slowest, last = max(*slowest, now.Sub(last)), now
		}
		defer step()
		for {
			do := c.choose(edits)
			if err := c.send(ctx, t, g, do); err != nil {
				return err
			}
			step()
			if acked.Add(1) >= int64(changes) && time.Since(began) >= atLeast {
				isDue()
			}
			if do.key != nil {
				if err := do.key.check(ctx, t, g); err != nil {
					return err
				}
				step()
			}
			for _, p := range purses {
				if err := p.spend(ctx, t, g); err != nil {
					return err
				}
				step()
			}
		}
	}
	var wg sync.WaitGroup
	for i, c := range clients {
		wg.Go(func() {
			if err := work(t.Context(), c, &latest[i]); !dead.Load() {
				t.Errorf("%s: %v", c.name, err)
				if ended.Add(1) == int64(len(clients)) {
					isDue()
				}
			}
		})
	}
	<-due
	dead.Store(true)
	killed = time.Now()
	g.kill9(t)
	wg.Wait()
	g.client.CloseIdleConnections()
	g.admin.CloseIdleConnections()
	for _, d := range latest {
		slowest = max(slowest, d)
	}
	return killed, slowest
}

// checkWhole has the gateway read every record.
func checkWhole(t testing.TB, g *gateway, keys int) {
	t.Helper()
	var got struct {
		Keys    int
		Damaged []any
	}
	resp := g.adminDo(t, "GET", "/keygate/check", "")
	if err := json.Unmarshal([]byte(resp.Body), &got); err != nil || resp.Status != 200 || got.Keys != keys || len(got.Damaged) > 0 {
		t.Errorf("check: %d %s, want %d keys and no damage", resp.Status, resp.Body, keys)
	}
}

// purse is a key of which only the count matters.
type purse struct {
	id, token string
	perDay    int

	counted int // by the gateway, when it last started
	reached int // of its requests, over all lives, the backend
	late    int // of those, within the last second before a kill

	mu   sync.Mutex
	life []time.Time // when an answer came that it had passed, since the start
	lost int         // requests without an answer, since the start
	seen int         // by the backend, since the start
}

func newPurse(t testing.TB, g *gateway, perDay int) *purse {
	t.Helper()
	k, token := g.createKey(t, "--scope", "posts:read", "--per-minute", "1000000", "--per-day", fmt.Sprint(perDay))
	return &purse{id: k.ID, token: token, perDay: perDay}
}

func (p *purse) spend(ctx context.Context, t testing.TB, g *gateway) error {
	t.Helper()
	resp, err := attempt(ctx, g.client, "GET", g.URL+"/v1/posts", "", []string{bearer(p.token)})
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err != nil:
		p.lost++
	case resp.Status == 200:
		p.life = append(p.life, time.Now())
	case resp.Status != 429:
		t.Errorf("answered %d %s", resp.Status, resp.Body)
	}
	return err
}

// count notes what reached the backend since the last call.
func (b *backend) count(purses []*purse) {
	for _, r := range b.take() {
		for _, p := range purses {
			if r.Header.Get("SocialPatra-Key-Id") == p.id {
				p.seen++
			}
		}
	}
}

// settle compares the gateway's count after a restart with what passed: none
// is missing from before certain, and none was made up.
func (p *purse) settle(t testing.TB, g *gateway, certain time.Time) {
	t.Helper()
	kept := 0
	for _, at := range p.life {
		if at.Before(certain) {
			kept++
		}
	}
	if p.seen < len(p.life) || p.seen > len(p.life)+p.lost {
		t.Errorf("%d passed and %d had no answer, but %d reached the backend", len(p.life), p.lost, p.seen)
	}
	now := g.charged(t, p.id)
	if least, most := p.counted+kept, p.counted+len(p.life)+p.lost; now < least || now > most {
		t.Errorf("after the kill %d requests are counted, want %d to %d", now, least, most)
	}
	p.reached, p.late = p.reached+p.seen, p.late+p.seen-kept
	p.counted, p.life, p.lost, p.seen = now, nil, 0, 0
}

// charged is what a key used today, as the gateway has it.
func (g *gateway) charged(t testing.TB, id string) int {
	t.Helper()
	resp := g.adminDo(t, "GET", "/keygate/keys/"+id+"/usage?days=2", "")
	var usage struct{ Days []struct{ Allowed int } }
	if err := json.Unmarshal([]byte(resp.Body), &usage); err != nil || resp.Status != 200 {
		t.Fatalf("usage: %d %s", resp.Status, resp.Body)
	}
	total := 0
	for _, day := range usage.Days {
		total += day.Allowed
	}
	return total
}
