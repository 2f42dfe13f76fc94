package adminapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/review"
)

// watched is a store that has seen of keys what it is told.
type watched struct {
	keystore.Store
	seen map[apikey.ID]apikey.Seen
}

func (s *watched) Seen(ids []apikey.ID) ([]apikey.Seen, error) {
	list := make([]apikey.Seen, len(ids))
	for i, id := range ids {
		list[i] = s.seen[id]
	}
	return list, nil
}

// has stores a key that was made 200 days ago, as it is after the change.
func (s *apiServer) has(n int, change func(*apikey.Key)) apikey.ID {
	s.t.Helper()
	id, err := apikey.ParseID(fmt.Sprintf("%012d", n))
	if err != nil {
		s.t.Fatal(err)
	}
	k := apikey.Key{
		Workspace: "acme", Name: fmt.Sprintf("Key %d", n), Scopes: []string{"posts:read", "posts:write"}, CreatedAt: apiStart.Add(-200 * day), ExpiresAt: apiStart.Add(100 * day),
		Limits: apikey.Limits{PerMinute: 10, PerDay: 1000, Burst: 10},
	}
	k.SetToken("patra", id, apikey.Hash{byte(n), byte(n >> 8), 1})
	change(&k)
	if err := k.Normalize(); err != nil {
		s.t.Fatal(err)
	}
	if err := s.store.Create(k, keystore.Actor{At: apiStart}); err != nil {
		s.t.Fatal(err)
	}
	return id
}

// used stores use of a key so many days ago.
func (s *apiServer) used(id apikey.ID, days int, units uint64) {
	s.t.Helper()
	on := apikey.DayOf(apiStart) - apikey.Day(days)
	u := apikey.Usage{ID: id, Day: on, Charged: units, Allowed: units, LastUsed: on.Start().Add(9 * time.Hour).Unix()}
	if err := s.store.SaveUsage([]apikey.Usage{u}, nil); err != nil {
		s.t.Fatal(err)
	}
}

func (s *apiServer) reviewed(query string) ReviewResponse {
	s.t.Helper()
	return reviewOf(s.t, s.send("GET "+ReviewPath+query, "").want(s.t, 200).body)
}

func reviewOf(t *testing.T, body string) (resp ReviewResponse) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), &resp); err != nil {
		t.Fatal(err)
	}
	return resp
}

func found(resp ReviewResponse) string {
	var list []string
	for _, k := range resp.Keys {
		for _, f := range k.Findings {
			list = append(list, k.Name+" "+string(f.Code))
		}
	}
	return strings.Join(list, ", ")
}

// reviewWorld has a key for each kind of finding, and some about which there is
// nothing to say.
func reviewWorld(t *testing.T) *apiServer {
	s := serveAPI(t)
	now, today := apiStart, apikey.DayOf(apiStart)
	store := &watched{s.store, make(map[apikey.ID]apikey.Seen)}
	s.failing = store
	inUse := func(n int, change func(*apikey.Key)) apikey.ID {
		id := s.has(n, change)
		s.used(id, 60, 500)
		s.used(id, 0, 100)
		return id
	}
	s.has(1, func(*apikey.Key) {}) // never used
	idle := s.has(2, func(*apikey.Key) {})
	s.used(idle, 91, 5)
	inUse(3, func(k *apikey.Key) { k.ExpiresAt = now.Add(5 * day) })
	inUse(4, func(k *apikey.Key) { k.ExpiresAt = time.Time{} })
	store.seen[inUse(5, func(k *apikey.Key) {})] = apikey.Seen{Scopes: []apikey.ScopeUse{{Scope: "posts:read", Since: today - 100, Last: today}, {Scope: "posts:write", Since: today - 100}}}
	store.seen[inUse(6, func(k *apikey.Key) {})] = apikey.Seen{Network: netip.MustParsePrefix("203.0.113.0/24"), NetworkSince: today - 40}
	inUse(7, func(k *apikey.Key) { k.Limits.PerDay = 10_000 })
	inUse(8, func(k *apikey.Key) {})
	s.has(9, func(k *apikey.Key) { k.RevokedAt = now })
	s.has(10, func(k *apikey.Key) { k.ExpiresAt = now.Add(-day) })
	s.has(11, func(k *apikey.Key) { k.Workspace = "globex" })
	return s
}

const allFound = "Key 1 never_used, Key 2 idle, Key 3 expiring, Key 4 no_expiry, Key 5 unused_scope, Key 6 one_network, Key 7 high_limits"

func TestReview(t *testing.T) {
	s := reviewWorld(t)
	for query, want := range map[string]string{
		"":                             allFound + ", Key 11 never_used",
		"?workspace=acme":              allFound,
		"?workspace=globex":            "Key 11 never_used",
		"?workspace=nobody":            "",
		"?key=000000000005":            "Key 5 unused_scope",
		"?key=patra_000000000006":      "Key 6 one_network",
		"?key=000000000008":            "",
		"?key=000000000009":            "",
		"?cursor=000000000006":         "Key 7 high_limits, Key 11 never_used",
		"?cursor=000000000005&limit=1": "Key 6 one_network",
	} {
		if got := found(s.reviewed(query)); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	for query, says := range map[string]string{
		"?key=x":                            "key",
		"?key=000000000005&limit=1":         "limit: goes with no key",
		"?key=000000000005&workspace=acme":  "workspace: goes with no key",
		"?key=000000000005&cursor=00000000": "cursor: goes with no key",
		"?limit=1001":                       "limit",
		"?workspace=-":                      "workspace",
		"?cursor=x":                         "cursor",
		"?code=idle":                        "not a parameter",
	} {
		s.send("GET "+ReviewPath+query, "").want(t, 400, says)
	}
	s.send("GET "+ReviewPath+"?key=zzzzzzzzzzzz", "").want(t, 404, "zzzzzzzzzzzz: no such key")
}

// Each suggestion is taken by the API as it is, and nothing is left to say then.
func TestReviewSuggestionsCanBeFollowed(t *testing.T) {
	s := reviewWorld(t)
	for _, k := range s.reviewed("?workspace=acme").Keys {
		for round := 0; ; round++ {
			resp := s.reviewed("?key=" + k.ID.String())
			if len(resp.Keys) == 0 {
				break
			}
			f := resp.Keys[0].Findings[0]
			if round > 1 || f.Suggest == nil {
				t.Fatalf("%s: still %+v", k.Name, f)
			}
			switch f.Suggest.Do {
			case review.Update:
				body, err := json.Marshal(f.Suggest.Change)
				if err != nil {
					t.Fatal(err)
				}
				s.send(keyURL("PATCH", k.ID.String()), string(body)).want(t, 200)
			default:
				s.send(keyURL("POST", k.ID.String(), "/"+string(f.Suggest.Do)), "").want(t, 200)
			}
		}
	}
	if got := found(s.reviewed("?workspace=acme")); got != "" {
		t.Errorf("after all was done: %s", got)
	}
}

// A key that is charged to another one is judged by what that one was charged: its
// own requests may cost more than one.
func TestReviewOfASharedAccount(t *testing.T) {
	s := serveAPI(t)
	account := s.has(1, func(k *apikey.Key) { k.ExpiresAt = apiStart.Add(-day) })
	on := func(n int) apikey.ID {
		return s.has(n, func(k *apikey.Key) { k.Account, k.Limits.PerDay = account, 10_000 })
	}
	for _, test := range []struct {
		charged uint64
		want    string
	}{{500, "Key 3 high_limits"}, {501, ""}} {
		n, want := test.charged, test.want
		id := on(int(n - 497)) // 3 and 4
		for _, days := range []apikey.Day{60, 0} {
			day := apikey.DayOf(apiStart) - days
			if err := s.store.SaveUsage([]apikey.Usage{{ID: account, Day: day, Charged: n}, {ID: id, Day: day, Allowed: 50, LastUsed: day.Start().Unix()}}, nil); err != nil {
				t.Fatal(err)
			}
		}
		if got := found(s.reviewed("?key=" + id.String())); got != want {
			t.Errorf("charged %d: %q, want %q", n, got, want)
		}
		if err := s.store.Delete(id, keystore.Actor{At: apiStart}, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// A page has the findings of keys whose use is not saved yet.
func TestReviewSeesUseThatIsNotSaved(t *testing.T) {
	s := serveAPI(t)
	id := s.has(1, func(*apikey.Key) {})
	s.unsaved.Store(&[]apikey.Usage{{ID: id, Day: apikey.DayOf(apiStart), Allowed: 1, Charged: 1, LastUsed: apiStart.Unix()}})
	if got := found(s.reviewed("")); got != "" {
		t.Errorf("%s of a key in use", got)
	}
	s.unsaved.Store(&[]apikey.Usage{{ID: s.has(2, func(*apikey.Key) {}), Day: apikey.DayOf(apiStart), Allowed: 1, Charged: 1, LastUsed: apiStart.Unix()}})
	if got := found(s.reviewed("?key=000000000002")); got != "" {
		t.Errorf("%s of a key in use", got)
	}
}

// Page after page has every key that there is something to say about all the
// time, once, in the order of IDs, whatever is changed between pages; also where
// a whole page has none.
func TestReviewPages(t *testing.T) {
	s := serveAPI(t)
	const keys = 2*keystore.MaxPage + 300
	for n := range keys {
		s.has(n+1, func(k *apikey.Key) {
			if n >= 100 && n < 2*keystore.MaxPage+100 {
				k.RevokedAt = apiStart // nothing to say of more than a page
			}
		})
	}
	touched := func(n int) bool { return n%10 == 3 } // these are changed meanwhile
	for _, limit := range []int{7, 100, 101, 1000} {
		var got []apikey.ID
		cursor, pages, empty := "", 0, 0
		for {
			resp := s.reviewed(fmt.Sprintf("?limit=%d&cursor=%s", limit, cursor))
			if pages++; len(resp.Keys) == 0 {
				empty++
			}
			if len(resp.Keys) > limit {
				t.Fatalf("%d keys, limit %d", len(resp.Keys), limit)
			}
			for _, k := range resp.Keys {
				got = append(got, k.ID)
			}
			if cursor = resp.NextCursor; cursor == "" {
				break
			}
			n := pages*10 + 3
			id, err := apikey.ParseID(fmt.Sprintf("%012d", n+1))
			if err != nil {
				t.Fatal(err)
			}
			if n < keys {
				_ = s.store.Delete(id, keystore.Actor{At: apiStart}, nil) // may be gone already
			}
		}
		if !slices.IsSortedFunc(got, func(a, b apikey.ID) int { return strings.Compare(a.String(), b.String()) }) || len(slices.Compact(slices.Clone(got))) != len(got) {
			t.Errorf("limit %d: not in order, or twice", limit)
		}
		for n := range keys {
			quiet := n >= 100 && n < 2*keystore.MaxPage+100
			id, err := apikey.ParseID(fmt.Sprintf("%012d", n+1))
			if err != nil {
				t.Fatal(err)
			}
			if !touched(n) && slices.Contains(got, id) == quiet {
				t.Fatalf("limit %d: key %d is told: %t", limit, n+1, !quiet)
			}
		}
		if limit == 1000 && empty == 0 {
			t.Error("no page was empty")
		}
	}
}

// Within an authority there are the keys of its workspace, nothing of use unless
// the caller may see that, and no suggestion beyond a bound.
func TestReviewWithinAnAuthority(t *testing.T) {
	s := reviewWorld(t)
	api := New(Options{Store: s.failing, Brand: "patra", Now: func() time.Time { return apiStart }})
	ask := func(a *Authority, query string) (int, string) {
		rec := httptest.NewRecorder()
		if err := api.Do(a, httptest.NewRequest(http.MethodGet, ReviewPath+query, nil)).Send(rec); err != nil {
			t.Fatal(err)
		}
		return rec.Code, rec.Body.String()
	}
	may := func(bounds Bounds, verbs ...Verb) *Authority {
		return &Authority{Workspace: "acme", Actor: "ada", May: verbs, Bounds: bounds}
	}
	withoutNetwork := strings.Replace(allFound, ", Key 6 one_network", "", 1)
	for name, test := range map[string]struct {
		a     *Authority
		query string
		want  string
	}{
		"all":               {may(Bounds{}, Verbs()...), "", allFound},
		"named":             {may(Bounds{}, Verbs()...), "?workspace=acme", allFound},
		"another":           {may(Bounds{}, Verbs()...), "?workspace=globex", ""},
		"use is not shown":  {may(Bounds{}, VerbList), "", "Key 1 never_used, Key 2 idle, Key 3 expiring, Key 4 no_expiry"},
		"no addresses":      {may(Bounds{IPs: Forbidden}, Verbs()...), "", withoutNetwork},
		"every workspace":   {&Authority{Workspace: AllWorkspaces, Actor: "op", May: Verbs()}, "", allFound + ", Key 11 never_used"},
		"one of the others": {&Authority{Workspace: "globex", Actor: "eve", May: Verbs()}, "", "Key 11 never_used"},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := ask(test.a, test.query)
			if got := found(reviewOf(t, body)); status != 200 || got != test.want {
				t.Errorf("%d %s, want %s", status, got, test.want)
			}
		})
	}
	if status, body := ask(may(Bounds{}, VerbUsage), ""); status != 403 {
		t.Errorf("without %s: %d %s", VerbList, status, body)
	}
	for key, want := range map[string]int{"000000000005": 200, "000000000011": 404, "zzzzzzzzzzzz": 404} {
		if status, body := ask(may(Bounds{}, Verbs()...), "?key="+key); status != want {
			t.Errorf("%s: %d %s, want %d", key, status, body, want)
		}
	}
	for want, expiry := range map[int]ExpiryBounds{365: {}, 45: {Default: 45}, 90: {Max: 90}, 30: {Default: 45, Max: 30}} {
		_, body := ask(may(Bounds{Expiry: expiry}, Verbs()...), "?key=000000000004")
		if got := reviewOf(t, body).Keys[0].Findings[0].Suggest.Change.ExpiresInDays; got != want {
			t.Errorf("%+v: %d days, want %d", expiry, got, want)
		}
	}
}

// What cannot be read of one key is not told, and hides no other key.
func TestReviewOfDamagedUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "keys.db")
	store, err := keystore.OpenBolt(path)
	if err != nil {
		t.Fatal(err)
	}
	s := &apiServer{t: t, store: store}
	damaged, bad := s.has(1, func(*apikey.Key) {}), s.has(2, func(k *apikey.Key) { k.Limits.PerDay = 10_000 })
	s.has(3, func(*apikey.Key) {})
	for _, id := range []apikey.ID{damaged, bad} {
		s.used(id, 50, 5)
		s.used(id, 0, 5)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		if err := tx.Bucket([]byte("lastused")).Put(damaged[:], []byte("rubbish")); err != nil {
			return err
		}
		cursor := tx.Bucket([]byte("usage")).Cursor()
		for name, _ := cursor.First(); name != nil; name, _ = cursor.Next() {
			if strings.HasSuffix(string(name), bad.String()) {
				return tx.Bucket([]byte("usage")).Put(name, []byte("rubbish"))
			}
		}
		return fmt.Errorf("no use of %s", bad)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if store, err = keystore.OpenBolt(path); err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	api := New(Options{Store: store, Brand: "patra", Now: func() time.Time { return apiStart }})
	for query, want := range map[string]string{"": "Key 3 never_used", "?key=" + damaged.String(): "", "?key=" + bad.String(): "", "?key=000000000003": "Key 3 never_used"} {
		rec := httptest.NewRecorder()
		api.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, ReviewPath+query, nil))
		if rec.Code != http.StatusOK {
			t.Errorf("%s: %d %s", query, rec.Code, rec.Body)
		} else if got := found(reviewOf(t, rec.Body.String())); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}
