package keystore

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// randomGrant draws from so few values that keys share them.
func randomGrant(tb testing.TB, r *rand.Rand) apikey.Grant {
	tb.Helper()
	k := testKey(tb)
	k.Hash[0] = byte(r.Uint32())
	k.Workspace = fmt.Sprintf("workspace%d", r.IntN(5))
	k.Scopes = []string{"posts:read", "posts:write", "media:upload"}[:1+r.IntN(3)]
	k.Disabled = r.IntN(4) == 0
	k.Limits.PerDay = r.Uint32N(100) + 1
	if r.IntN(2) == 0 {
		k.AllowedIPs = []string{fmt.Sprintf("203.0.113.%d", r.IntN(3))}
	}
	if r.IntN(4) == 0 {
		k.AllowedOrigins = []string{"https://shop.example"}
	}
	if r.IntN(4) == 0 {
		k.ExpiresAt = time.Unix(r.Int64N(2000), 0)
	}
	if r.IntN(4) == 0 {
		k.RevokedAt = time.Unix(1, 0)
	}
	if r.IntN(3) == 0 {
		k.Account = numberedID(r.IntN(7))
	}
	g, err := k.Grant()
	if err != nil {
		tb.Fatal(err)
	}
	return g
}

// TestIndexModel does at random what can be done, and compares with a map.
func TestIndexModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	x := NewIndex()
	model := make(map[apikey.ID]apikey.Grant)
	for range 10_000 {
		id := numberedID(r.IntN(300))
		if r.IntN(3) == 0 {
			x.Delete(id)
			delete(model, id)
		} else {
			g := randomGrant(t, r)
			x.Put(id, g, false)
			model[id] = g
		}
		probe := numberedID(r.IntN(300))
		want, exists := model[probe]
		if got, ok := x.Lookup(probe); ok != exists || !reflect.DeepEqual(got, want) {
			t.Fatalf("lookup: %+v, %t; want %+v, %t", got, ok, want, exists)
		}
	}
	now := time.Unix(1000, 0)
	counts := make(map[apikey.Status]int)
	workspaces, kinds, within, homes := make(map[string]bool), make(map[string]bool), make(map[string]bool), make(map[string]bool)
	users := make(map[apikey.ID]int)
	for _, g := range model {
		counts[g.Status(now)]++
		workspaces[g.Workspace], kinds[fmt.Sprint(g.Scopes.Joined, g.State)] = true, true
		if g.Places != nil {
			within[fmt.Sprint(g.Limits, *g.Places)] = true
		} else {
			within[fmt.Sprint(g.Limits)] = true
		}
		if !g.Account.IsZero() {
			homes[fmt.Sprint(g.Workspace, g.Account)] = true
			users[g.Account]++
		}
	}
	if got := x.Counts(now); !reflect.DeepEqual(got, counts) {
		t.Errorf("counts: %v; want %v", got, counts)
	}
	if x.Len() != len(model) {
		t.Errorf("%d keys; want %d", x.Len(), len(model))
	}
	for what, n := range map[string][2]int{
		"workspaces": {x.workspaces.len(), len(workspaces)},
		"terms":      {x.terms.len(), len(kinds)},
		"bounds":     {x.bounds.len(), len(within)},
		"homes":      {x.accounts.homes.len(), len(homes)},
		"accounts":   {len(x.accounts.users), len(users)},
	} {
		if n[0] != n[1] {
			t.Errorf("%d %s are kept; %d are in use", n[0], what, n[1])
		}
	}
	for account, n := range users {
		if got := x.accounts.usersOf(account); got != n {
			t.Errorf("%d keys are on the account %s; want %d", got, account, n)
		}
	}
	for id := range model {
		x.Delete(id)
	}
	if n := x.workspaces.len() + x.terms.len() + x.bounds.len() + x.accounts.homes.len() + len(x.accounts.users) + x.Len(); n != 0 {
		t.Errorf("%d things are kept by an empty index", n)
	}
}

// TestIndexReuses makes sure that neither entries nor references pile up while
// keys come and go.
func TestIndexReuses(t *testing.T) {
	x := NewIndex()
	g := randomGrant(t, rand.New(rand.NewPCG(1, 2)))
	id := mustID(t, testID)
	for i := range 1000 {
		g.Workspace = fmt.Sprint("workspace", i)
		x.Put(id, g, false)
		x.Put(id, g, false)
		x.Delete(id)
	}
	if n := x.cells(); n != 8 {
		t.Errorf("%d cells for one key; want a group of them", n)
	}
	if n := len(*x.workspaces.values.Load()); n > 3 { // none, and two in turn
		t.Errorf("%d workspaces for one key", n)
	}
}

// TestIndexConcurrent has writers replace grants and whole keys while readers
// check that no look-up mixes two grants. Each workspace has its own scope, so
// that a mixture shows.
func TestIndexConcurrent(t *testing.T) {
	const keys = 64
	var grants []apikey.Grant
	for i := range 10 {
		k := testKey(t)
		k.Workspace, k.Scopes = fmt.Sprintf("w%d", i), []string{fmt.Sprintf("w%d:read", i)}
		k.Limits.PerDay, k.AllowedIPs = uint32(i)+1, []string{fmt.Sprintf("203.0.113.%d", i)}
		if i%2 == 0 {
			k.Account = numberedID(1000 + i)
		}
		g, err := k.Grant()
		if err != nil {
			t.Fatal(err)
		}
		grants = append(grants, g)
	}
	x := NewIndex()
	var writers, readers sync.WaitGroup
	stop := make(chan struct{})
	for w := range 2 {
		writers.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(w)))
			for range 5_000 {
				id := numberedID(r.IntN(keys))
				if r.IntN(2) == 0 {
					x.Delete(id)
				} else {
					x.Put(id, grants[r.IntN(len(grants))], false)
				}
			}
		})
		readers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				g, ok := x.Lookup(numberedID(n % keys))
				if ok && (g.Scopes.Joined != g.Workspace+":read" || g.Workspace != fmt.Sprintf("w%d", g.Limits.PerDay-1) ||
					!strings.HasSuffix(g.Places.IPs[0].Addr().String(), "."+g.Workspace[1:]) || g.Account != grants[g.Limits.PerDay-1].Account) {
					t.Errorf("a mixture of two grants: %+v", g)
					return
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
}

func TestIndexAllocatesNothing(t *testing.T) {
	x := NewIndex()
	id := mustID(t, testID)
	x.Put(id, randomGrant(t, rand.New(rand.NewPCG(1, 2))), false)
	for _, id := range []apikey.ID{id, {}} {
		if n := testing.AllocsPerRun(100, func() { x.Lookup(id) }); n != 0 {
			t.Errorf("a look-up of %q allocates %v times", id, n)
		}
	}
}

// fillIndex adds n keys of n/10 workspaces and eight sets of scopes.
func fillIndex(tb testing.TB, n int) *Index {
	tb.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	var grants []apikey.Grant
	for range 64 {
		grants = append(grants, randomGrant(tb, r))
	}
	x := NewIndex()
	for i := range n {
		g := grants[i%len(grants)]
		g.Workspace = fmt.Sprint("workspace", i/10)
		x.Put(numberedID(i), g, false)
	}
	return x
}

// TestIndexMemory holds the heap per key, of which a million fit into 400 MB
// with room for everything else.
func TestIndexMemory(t *testing.T) {
	const keys = 50_000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.GC() // what pools held, which would otherwise be missing afterwards
	runtime.ReadMemStats(&before)
	x := fillIndex(t, keys)
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&after)
	if perKey := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / keys; perKey > 180 {
		t.Errorf("%d bytes of heap for a key; want at most 180", perKey)
	}
	runtime.KeepAlive(x)
}

func BenchmarkIndexCounts(b *testing.B) {
	x := fillIndex(b, most(1_000_000))
	now := time.Unix(1000, 0)
	for b.Loop() {
		x.Counts(now)
	}
}

// BenchmarkIndexExpiring is what a check costs for each of the four warnings.
func BenchmarkIndexExpiring(b *testing.B) {
	x := fillIndex(b, most(1_000_000))
	for b.Loop() {
		for shard := range indexShards {
			x.expiringIn(shard, 1, 2, func(apikey.ID) {})
		}
	}
}

// BenchmarkIndexGC is what a million keys cost each garbage collection.
func BenchmarkIndexGC(b *testing.B) {
	x := fillIndex(b, most(1_000_000))
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.HeapAlloc)/1e6, "MB")
	for b.Loop() {
		runtime.GC()
	}
	runtime.KeepAlive(x)
}

// len returns how many values are in use.
func (in *interned[K, T]) len() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.refs)
}
