package stores

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/ratelimit"
)

// fullDisk is a store that takes no use while it is full.
type fullDisk struct {
	keystore.Store
	full bool
}

func (f *fullDisk) SaveUsage(keys []apikey.Usage, workspaces []apikey.WorkspaceUsage) error {
	if f.full {
		return errors.New("no space left on device")
	}
	return f.Store.SaveUsage(keys, workspaces)
}

// seenWorld is a gateway, and what it should have seen.
type seenWorld struct {
	t      *testing.T
	r      *rand.Rand
	path   string
	disk   *fullDisk
	limits *localLimits
	policy access.Policy
	now    time.Time
	tokens []string
	ids    []apikey.ID
	model  []seenModel
}

// seenModel is what should have been seen of a key.
type seenModel struct {
	since   apikey.Day
	use     map[string]apikey.ScopeUse
	network apikey.Network
	unsaved []seenUse
}

type seenUse struct {
	day     apikey.Day
	needed  []string
	network apikey.Network
}

var seenScopes = []string{"a:a", "b:b", "c:c", "d:d", "e:e"}

func (w *seenWorld) some() []string {
	list := slices.Clone(seenScopes)
	w.r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	list = list[:1+w.r.IntN(len(list))]
	slices.Sort(list)
	return list
}

func (w *seenWorld) open(path string) {
	store, err := keystore.OpenBolt(path)
	if err != nil {
		w.t.Fatal(err)
	}
	w.path, w.disk = path, &fullDisk{Store: store}
	w.limits = &localLimits{limiter: ratelimit.New(), store: w.disk, unsaved: func(error) {}} // which saves when it is told to
	if err := w.limits.restore(w.now); err != nil {
		w.t.Fatal(err)
	}
	w.policy.Keys = store
	w.t.Cleanup(func() { _ = store.Close() })
}

func (w *seenWorld) actor() keystore.Actor { return keystore.Actor{At: w.now, Via: "test"} }

func (w *seenWorld) create(scopes []string) {
	token, id, hash := apikey.Generate("patra")
	k := apikey.Key{ID: id, Hash: hash, Prefix: apikey.Prefix("patra", id), Workspace: "acme", Name: "test", Scopes: scopes, CreatedAt: w.now}
	if err := k.Normalize(); err != nil {
		w.t.Fatal(err)
	}
	k.Limits = apikey.Limits{PerMinute: 1_000_000, Burst: 1_000_000, PerDay: 1_000_000}
	if err := w.disk.Create(k, w.actor()); err != nil {
		w.t.Fatal(err)
	}
	m := seenModel{since: apikey.DayOf(w.now), use: make(map[string]apikey.ScopeUse)}
	for _, scope := range k.Scopes {
		m.use[scope] = apikey.ScopeUse{Scope: scope, Since: m.since}
	}
	w.tokens, w.ids, w.model = append(w.tokens, token), append(w.ids, id), append(w.model, m)
}

// request has a key ask for a route with alternatives, or for one that needs no scope.
func (w *seenWorld) request(n int) {
	route := w.r.IntN(len(w.policy.Table.Routes()))
	q := access.Request{
		Method: "GET", Path: fmt.Sprintf("/r%d", route), Authorization: []string{"Bearer " + w.tokens[n]},
		Client: netip.AddrFrom4([4]byte{192, 0, byte(w.r.IntN(60) / 59), byte(w.r.IntN(256))}), Now: w.now,
	}
	d := w.policy.Decide(&q)
	if d.Reason != access.Allowed {
		return
	}
	caps := ratelimit.Caps{Limits: d.Grant.Limits, Workspace: d.Grant.Workspace}
	if w.r.IntN(20) == 0 {
		caps.Limits = apikey.Limits{PerMinute: 1, Burst: 1, PerDay: 1} // which are used up
	}
	result, err := w.limits.Take(d.ID, caps, 1, w.now, d.Sighting(q.Client))
	if err != nil {
		w.t.Fatal(err)
	}
	if !result.Allowed {
		return
	}
	use := seenUse{day: apikey.DayOf(w.now), network: apikey.NetworkOf(q.Client)}
	m := &w.model[n]
	for _, set := range d.Route.Scopes {
		if !slices.ContainsFunc(set, func(scope string) bool { return m.use[scope].Scope == "" }) {
			use.needed = set
			break
		}
	}
	m.unsaved = append(m.unsaved, use)
}

func (w *seenWorld) flush() {
	w.limits.Flush()
	if !w.disk.full {
		w.saved()
	}
}

// saved has the model know that everything is saved.
func (w *seenWorld) saved() {
	for n := range w.model {
		m := &w.model[n]
		for _, u := range m.unsaved {
			m.network = m.network.With(u.network)
			for _, scope := range u.needed {
				if use := m.use[scope]; u.day >= use.Since {
					use.Last = max(use.Last, u.day)
					m.use[scope] = use
				}
			}
		}
		m.unsaved = nil
	}
}

// rescope changes the scopes of a key as the API does.
func (w *seenWorld) rescope(n int, scopes []string) {
	w.limits.Rewatch(w.ids[n])
	w.saved()
	if _, err := w.disk.Update(w.ids[n], "update", w.actor(), func(k *apikey.Key) error { k.Scopes = scopes; return nil }); err != nil {
		w.t.Fatal(err)
	}
	m := &w.model[n]
	for _, scope := range seenScopes {
		switch held := slices.Contains(scopes, scope); {
		case !held:
			delete(m.use, scope)
		case m.use[scope].Scope == "":
			m.use[scope] = apikey.ScopeUse{Scope: scope, Since: max(m.since, apikey.DayOf(w.now))}
		}
	}
}

// kill ends the gateway and starts another on the file as it is.
func (w *seenWorld) kill() {
	content, err := os.ReadFile(w.path)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.disk.Close(); err != nil {
		w.t.Fatal(err)
	}
	path := filepath.Join(w.t.TempDir(), "keys.db")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.open(path)
	for n := range w.model {
		w.model[n].unsaved = nil
	}
}

func (w *seenWorld) check(step string) {
	w.t.Helper()
	seen, err := w.disk.Seen(w.ids)
	if err != nil {
		w.t.Fatal(err)
	}
	for n, m := range w.model {
		want := apikey.Seen{Network: m.network.Prefix(), NetworkSince: m.since}
		for _, scope := range seenScopes {
			if use, ok := m.use[scope]; ok {
				want.Scopes = append(want.Scopes, use)
			}
		}
		if !reflect.DeepEqual(seen[n], want) {
			w.t.Fatalf("%s: of key %d was seen\n%+v; want\n%+v", step, n, seen[n], want)
		}
	}
}

// TestSeenOfALocalGateway has a gateway decide on requests at random, with routes of
// all kinds, and changes the scopes of their keys in between, also back to what they
// were. It is killed, and its disk is full for a while. What the store tells is what
// was seen of the scopes that a key has, since it has them, and nothing else.
func TestSeenOfALocalGateway(t *testing.T) {
	seed := rand.Uint64()
	w := &seenWorld{t: t, r: rand.New(rand.NewPCG(seed, 15)), now: time.Now().AddDate(10, 0, 0)}
	var routes []access.Route
	for i := range 12 {
		route := access.Route{Methods: []string{"GET"}, Pattern: fmt.Sprintf("/r%d", i), Access: access.Authenticated}
		if i > 0 {
			route.Access = access.Scoped
			for range 1 + w.r.IntN(3) {
				if set := w.some(); !slices.ContainsFunc(route.Scopes, func(other []string) bool { return slices.Equal(set, other) }) {
					route.Scopes = append(route.Scopes, set)
				}
			}
		}
		routes = append(routes, route)
	}
	table, err := access.NewTable(routes)
	if err != nil {
		t.Fatal(err)
	}
	w.policy = access.Policy{Brand: "patra", Table: table}
	w.open(filepath.Join(t.TempDir(), "keys.db"))
	for range 3 {
		w.create(w.some())
	}
	for set := 1; set < 1<<len(seenScopes); set++ { // so that keys have the sets that others had, in the same memory
		var scopes []string
		for i, scope := range seenScopes {
			if set>>i&1 == 1 {
				scopes = append(scopes, scope)
			}
		}
		w.create(scopes)
	}
	for step := range 800 {
		at := fmt.Sprintf("seed %d, step %d", seed, step)
		n := w.r.IntN(3)
		switch k := w.r.IntN(100); {
		case k < 6:
			w.rescope(n, w.some())
		case k < 8: // taken away and given again, with and without a use in between
			was, err := w.disk.Get(w.ids[n])
			if err != nil {
				t.Fatal(err)
			}
			w.rescope(n, []string{seenScopes[w.r.IntN(len(seenScopes))]})
			if w.r.IntN(2) == 0 {
				w.request(n)
			}
			w.rescope(n, was.Scopes)
		case k < 9:
			if _, err := w.disk.Update(w.ids[n], "update", w.actor(), func(k *apikey.Key) error { k.Limits.PerDay ^= 1; return nil }); err != nil {
				t.Fatal(err)
			}
		case k < 11:
			w.kill()
			w.check(at + ", after a kill")
		case k < 13:
			w.disk.full = true
			for range 5 {
				w.request(n)
				w.flush()
			}
			w.disk.full = false
		case k < 15:
			w.now = w.now.Add(time.Duration(w.r.IntN(50)-10) * time.Hour)
		case k < 30:
			w.flush()
			w.check(at)
		default:
			w.request(n)
		}
	}
	w.flush()
	w.check("at the end")
}
