package webhook

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// change makes a change at random.
func (w *world) change(rng *rand.Rand, keys *[]apikey.ID) {
	w.t.Helper()
	fresh := func() { *keys = append(*keys, w.create().ID) }
	if len(*keys) < 3 {
		fresh()
		return
	}
	i := rng.IntN(len(*keys))
	id := (*keys)[i]
	set := func(edit func(*apikey.Key)) func(*apikey.Key) { return edit }
	switch rng.IntN(11) {
	case 0:
		fresh()
	case 1:
		w.update(id, "update", "", func(k *apikey.Key) { k.Name = fmt.Sprint("Lovelace ", rng.Int()) })
	case 2:
		w.update(id, "revoke", "", set(func(k *apikey.Key) { k.RevokedAt = w.clock.now() }))
	case 3:
		w.update(id, "disable", "", set(func(k *apikey.Key) { k.Disabled = true }))
	case 4:
		w.update(id, "enable", "", set(func(k *apikey.Key) { k.Disabled = false }))
	case 5:
		w.update(id, []string{"revoke", "disable", "report"}[rng.IntN(3)], reasonLeaked, func(k *apikey.Key) { k.Disabled = true })
	case 6:
		w.update(id, "expiring", []string{"30d", "14d", "7d", "1d"}[rng.IntN(4)], func(*apikey.Key) {})
	case 7:
		*keys = slices.Delete(*keys, i, i+1)
		if err := w.store.Delete(id, w.by(), nil); err != nil {
			w.t.Fatal(err)
		}
	case 8:
		successor := w.newKey()
		made, err := w.store.Rotate(id, w.by(), func(_, s *apikey.Key) error {
			s.ID, s.Prefix, s.Hash, s.CreatedAt = successor.ID, successor.Prefix, successor.Hash, w.clock.now()
			return nil
		})
		if err == nil {
			*keys = append(*keys, made.ID)
		}
	case 9:
		lim := &apikey.WorkspaceLimits{PerDay: uint32(1 + rng.IntN(1000))}
		if err := w.store.SetWorkspaceLimits("acme", lim, w.by()); err != nil {
			w.t.Fatal(err)
		}
	case 10:
		some := []apikey.Key{w.newKey(), w.newKey()}
		if err := w.store.CreateAll(some, w.by(), nil); err != nil {
			w.t.Fatal(err)
		}
	}
}

// fact is what one event of the trail says, without any message.
type fact struct {
	event, key string
	at         int64
	n          int // which one of several that say the same
}

// expected are the facts that the trail has, after a number, of the events. Entries of
// an import count one by one.
func expected(t *testing.T, s keystore.Store, after uint64, events []string) map[fact]bool {
	t.Helper()
	facts := make(map[fact]bool)
	for before, more := uint64(0), true; more; {
		page, err := s.Audit(keystore.AuditQuery{Before: before, Limit: keystore.MaxPage})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Entries {
			names := []string{"key." + map[string]string{
				"create": "created", "update": "updated", "rotate": "rotated", "revoke": "revoked", "disable": "disabled", "enable": "enabled",
				"delete": "deleted", "import": "imported", "expiring": "expiring",
			}[e.Action]}
			if strings.HasSuffix(e.Action, "limit") {
				names = []string{"workspace.limits_changed"}
			}
			if e.Action == "report" {
				names = nil
			}
			if e.Reason == "leaked" {
				names = append(names, "key.leaked")
			}
			for _, name := range names {
				if e.Seq <= after || len(events) > 0 && !slices.Contains(events, name) {
					continue
				}
				f := fact{event: name, key: e.Key.String(), at: e.At.Unix()}
				if name == "key.imported" || name == "workspace.limits_changed" {
					f.key = ""
				}
				for facts[f] {
					f.n++
				}
				facts[f] = true
			}
		}
		before, more = page.Next, page.Next > 0
	}
	return facts
}

// told are the facts that deliveries say, each message counted once by its ID.
func told(t *testing.T, taken []delivery) map[fact]bool {
	t.Helper()
	facts, bodies := make(map[fact]bool), make(map[string]string)
	for _, d := range taken {
		if body, again := bodies[d.id]; again {
			if body != d.body {
				t.Errorf("%s said %s and then %s", d.id, body, d.body)
			}
			continue
		}
		bodies[d.id] = d.body
		f := fact{event: d.event.Type, key: d.event.Data.Key, at: d.event.At.Unix()}
		for range max(d.event.Data.Keys, 1) {
			for f.n = 0; facts[f]; f.n++ {
			}
			facts[f] = true
		}
	}
	return facts
}

// wantFacts fails unless deliveries say what the trail does, no more and no less.
func wantFacts(t *testing.T, got, want map[fact]bool) {
	t.Helper()
	if maps.Equal(got, want) {
		return
	}
	for f := range want {
		if !got[f] {
			t.Errorf("was not told: %+v", f)
		}
	}
	for f := range got {
		if !want[f] {
			t.Errorf("was told, and is not in the trail: %+v", f)
		}
	}
}

// TestTrailIsTold makes changes at random, also while nothing runs, to receivers that
// fail at random. Processes end at any moment, with what they did not note, and configs
// are loaded. Each receiver gets what it wants of the trail, each message under one ID,
// signed, and nothing else.
func TestTrailIsTold(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 7))
			c := &clock{at: start}
			w := newWorld(t, c)
			var keys []apikey.ID
			w.change(rng, &keys) // before there is any webhook
			all, some := newReceiver(t, c), newReceiver(t, c)
			events := []string{"key.revoked", "key.leaked", "key.imported"}
			hooks := []Hook{all.hook(t), some.hook(t, events...)}
			for _, r := range []*receiver{all, some} {
				answers := rand.New(rand.NewPCG(seed, 8))
				r.answers(func(rw http.ResponseWriter, _ *http.Request, _ delivery) {
					r.mu.Lock()
					n := answers.IntN(10)
					r.mu.Unlock()
					switch {
					case n < 2:
						rw.WriteHeader([]int{500, 429, 302}[n%3])
					case n == 2:
						rw.(*statusWriter).status = 0
						panic(http.ErrAbortHandler)
					}
				})
			}
			w.serve(hooks...)
			for range 150 {
				for range rng.IntN(4) {
					w.change(rng, &keys)
				}
				switch rng.IntN(12) {
				case 0: // a process is killed: what it did not note is in the store
					w.kill()
					w.change(rng, &keys)
					w.serve(hooks...)
				case 1:
					w.end()
					w.change(rng, &keys)
					w.serve(hooks...)
				case 2: // a config without one of them, that fails to start
					bad := new(int)
					w.s.Serve(bad, hooks[:1])
					w.s.Leave(bad)
				case 3: // for a while one of them is not wanted
					w.serve(hooks[0])
					w.change(rng, &keys)
					w.serve(hooks...)
				}
				c.add(time.Duration(rng.IntN(3000)) * time.Millisecond)
			}
			for _, r := range []*receiver{all, some} {
				r.answers(nil)
			}
			for i := range hooks {
				w.advance("all is delivered", time.Minute, func() bool { return w.isIdle(hooks[i]) })
			}
			_, taken := all.deliveries()
			wantFacts(t, told(t, taken), expected(t, w.store, 1, nil))
			_, taken = some.deliveries()
			wantFacts(t, told(t, taken), expected(t, w.store, 1, events))
			if n := w.counts.Dropped(); n != 0 {
				t.Errorf("%d were dropped", n)
			}
			for _, r := range []*receiver{all, some} {
				got, _ := r.deliveries()
				for _, d := range got {
					for _, private := range []string{"Ada's", "Lovelace", "203.0.113.9", "description", "hash"} {
						if strings.Contains(d.body, private) {
							t.Errorf("a body has %q: %s", private, d.body)
						}
					}
				}
			}
			w.wantNoSecret()
		})
	}
}

// An ID follows from what an entry says, and not from its number alone: after a backup is
// restored, another entry has that number.
func TestSameEntrySameID(t *testing.T) {
	entry := func(action string, at time.Time) *keystore.PlacedEntry {
		return &keystore.PlacedEntry{AuditEntry: keystore.AuditEntry{Seq: 7, At: at, Action: action, Key: apikey.ID{'x'}}}
	}
	seen := make(map[string]bool)
	for _, e := range []*keystore.PlacedEntry{entry("create", start), entry("revoke", start), entry("create", start.Add(1))} {
		for _, name := range []string{"key.created", EventLeaked} {
			id := idOf(e, name)
			if id != idOf(e, name) || seen[id] || len(id) != len("msg_")+26 {
				t.Errorf("%s for %+v", id, e)
			}
			seen[id] = true
		}
	}
}
