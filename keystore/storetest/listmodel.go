package storetest

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// listModel is what a store should list, as plainly as it can be said.
type listModel struct {
	keys map[apikey.ID]*modelKey
}

type modelKey struct {
	apikey.Key
	used time.Time // zero: never
}

// list returns the IDs that a query selects, in its order, however many they are.
// begun is when the first page was asked for.
func (m *listModel) list(q keystore.Query, begun time.Time) []apikey.ID {
	var found []*modelKey
	for _, k := range m.keys {
		if k.selected(q) {
			found = append(found, k)
		}
	}
	slices.SortFunc(found, func(x, y *modelKey) int { return x.before(y, q.Sort, begun) })
	ids := make([]apikey.ID, len(found))
	for i := range found {
		ids[i] = found[i].ID
	}
	return ids
}

func (k *modelKey) selected(q keystore.Query) bool {
	status := k.Status(q.Now)
	expired := !k.ExpiresAt.IsZero() && !q.Now.Before(k.ExpiresAt)
	live := k.RevokedAt.IsZero() && !expired
	contains := strings.Contains(strings.ToLower(k.Name), strings.ToLower(q.Name))
	brand, _, _ := strings.Cut(k.Prefix, "_")
	asPrefix := strings.HasPrefix(k.Prefix, q.Name) && len(q.Name) > len(brand+"_")
	for _, filter := range []struct{ given, passed bool }{
		{q.Workspace != "", k.Workspace == q.Workspace},
		{q.Status != "", status == q.Status},
		{q.Scope != "", slices.Contains(k.Scopes, q.Scope)},
		{q.CreatedBy != "", k.CreatedBy == q.CreatedBy},
		{q.Name != "", contains || asPrefix || strings.HasPrefix(k.ID.String(), q.Name)},
		{q.Expiring != 0, live && !k.ExpiresAt.IsZero() && k.ExpiresAt.Sub(q.Now) <= q.Expiring},
		{q.NoExpiry, k.ExpiresAt.IsZero()},
		{q.Idle != 0, live && q.Now.Sub(k.usedOrCreated()) >= q.Idle},
		{q.NeverUsed, k.used.IsZero()},
	} {
		if filter.given && !filter.passed {
			return false
		}
	}
	return true
}

func (k *modelKey) usedOrCreated() time.Time {
	if k.used.IsZero() {
		return k.CreatedAt
	}
	return k.used
}

func (k *modelKey) before(other *modelKey, sort keystore.Sort, begun time.Time) int {
	order := 0
	switch sort {
	case keystore.SortID:
	case keystore.SortName:
		order = strings.Compare(strings.ToLower(k.Name), strings.ToLower(other.Name))
	case keystore.SortCreated:
		order = k.CreatedAt.Compare(other.CreatedAt)
	case keystore.SortExpires:
		x, y := k.ExpiresAt, other.ExpiresAt
		order = cmp.Or(compareBools(x.IsZero(), y.IsZero()), x.Compare(y))
	case keystore.SortLastUsed:
		x, y := earlier(k.used, begun), earlier(other.used, begun)
		order = cmp.Or(compareBools(!x.IsZero(), !y.IsZero()), x.Compare(y))
	}
	return cmp.Or(order, bytes.Compare(k.ID[:], other.ID[:]))
}

func compareBools(x, y bool) int {
	switch {
	case x == y:
		return 0
	case y:
		return -1
	default:
		return 1
	}
}

func earlier(x, y time.Time) time.Time {
	if x.After(y) {
		return y
	}
	return x
}

const dayLong = 24 * time.Hour

// one returns one of some values.
func one[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// anyKey returns a key whose settings often are the same as those of others, or
// differ in as little as they can.
func anyKey(t *testing.T, r *rand.Rand, n int) modelKey {
	t.Helper()
	k := newKey(t, n)
	k.Prefix = apikey.Prefix(one(r, "patra", "zap"), k.ID)
	k.Workspace = one(r, "acme", "acme", "acm", "other")
	k.CreatedBy = one(r, "", "ada", "ada", "Ada", "ada@acme.example")
	k.CreatedAt = ago(r)
	alter(r, &k)
	if err := k.Normalize(); err != nil {
		t.Fatal(err)
	}
	return modelKey{Key: k}
}

// alter changes what can be changed of a key.
func alter(r *rand.Rand, k *apikey.Key) {
	k.Name = one(r, "Zapier", "zapier", "ZAPIER 2", "Ärger", "ärger", "bot", "Bot 12", "k", "Nächte", "日本", "patra", "0000")
	k.Scopes = one(r, []string{"posts:read"}, []string{"posts:read", "posts:write"}, []string{"posts:write"})
	k.ExpiresAt = one(r, time.Time{}, now.Add(time.Duration(r.IntN(5)-2)*time.Second), now.Add(30*dayLong+time.Duration(r.IntN(3)-1)*time.Second),
		time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), time.Date(1969, 1, 1, 0, 0, 0, 0, time.UTC))
	k.Disabled = r.IntN(4) == 0
	k.RevokedAt = time.Time{}
	if r.IntN(5) == 0 {
		k.RevokedAt = now.Add(-time.Hour)
	}
}

// ago returns an instant at or near a bound of the filters.
func ago(r *rand.Rand) time.Time {
	return now.Add(-one(r, time.Minute, dayLong, 90*dayLong) + time.Duration(r.IntN(3)-1)*time.Second)
}

// anyQuery returns a query with some filters.
func anyQuery(r *rand.Rand, sort keystore.Sort) keystore.Query {
	q := keystore.Query{Now: now, Sort: sort}
	for _, set := range []func(){
		func() { q.Workspace = one(r, "acme", "acm", "nobody") },
		func() { q.Status = one(r, apikey.Statuses()...) },
		func() { q.Scope = one(r, "posts:read", "posts:write", "posts") },
		func() { q.CreatedBy = one(r, "ada", "Ada", "ad") },
		func() {
			q.Name = one(r, "zap", "R", "ä", "ÄR", " ", "bot 1", "p", "patra", "patra_", "patra_0", "zap_00", "0", "0000", "00000", keyID(7).String(), "本", "Patra_0")
		},
		func() { q.Expiring = one(r, time.Second, 2*time.Second, 30*dayLong, 3650*dayLong) },
		func() { q.NoExpiry = true },
		func() { q.Idle = one(r, time.Minute, dayLong, 90*dayLong) },
		func() { q.NeverUsed = true },
	} {
		if r.IntN(5) == 0 {
			set()
		}
	}
	return q
}

func described(q keystore.Query) string { return fmt.Sprintf("%+v", q) }
