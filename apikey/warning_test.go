package apikey_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

const day = 24 * time.Hour

func TestWarning(t *testing.T) {
	ends := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	before := func(d time.Duration) time.Time { return ends.Add(-d) }
	for _, tt := range []struct {
		name    string
		created time.Time
		warned  uint8
		now     time.Time
		want    uint8
	}{
		{"long before", before(90 * day), 0, before(30*day + 1), 0},
		{"at 30 days", before(90 * day), 0, before(30 * day), 30},
		{"again", before(90 * day), 30, before(29 * day), 0},
		{"an instant before 14 days", before(90 * day), 30, before(14*day + 1), 0},
		{"at 14 days", before(90 * day), 30, before(14 * day), 14},
		{"at 7 days", before(90 * day), 14, before(7 * day), 7},
		{"at a day", before(90 * day), 7, before(day), 1},
		{"the last instant", before(90 * day), 0, before(1), 1},
		{"expired", before(90 * day), 0, ends, 0},
		{"only the last of several", before(90 * day), 0, before(2 * day), 7},
		{"one that was missed", before(90 * day), 30, before(2 * day), 7},
		{"a clock that was set back", before(90 * day), 7, before(14 * day), 0},
		{"made for 30 days", before(30 * day), 0, before(29 * day), 0},
		{"made for 30 days and a second", before(30*day + time.Second), 0, before(29 * day), 30},
		{"made for 10 days", before(10 * day), 0, before(8 * day), 0},
		{"made for 10 days, later", before(10 * day), 0, before(6 * day), 7},
		{"made for an hour", before(time.Hour), 0, before(time.Minute), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := plainKey()
			k.CreatedAt, k.ExpiresAt, k.Warned = tt.created, ends, tt.warned
			if got := k.Warning(tt.now); got != tt.want {
				t.Errorf("%d; want %d", got, tt.want)
			}
			if k.Disabled = true; k.Warning(tt.now) != tt.want {
				t.Error("it matters that the key is disabled")
			}
			if k.RevokedAt = tt.created; k.Warning(tt.now) != 0 {
				t.Error("a revoked key is warned of")
			}
		})
	}
	if k := plainKey(); k.Warning(ends) != 0 {
		t.Error("a key that never expires is warned of")
	}
}

// Whoever looks now and then, at whatever times, finds each warning at most once and
// in order, and none that was due without another between is left out.
func TestWarningsOverTime(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		k := plainKey()
		k.CreatedAt = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		k.ExpiresAt = k.CreatedAt.Add(time.Duration(random.Int64N(int64(60 * day)))).Truncate(time.Second)
		var passed []uint8 // by a model: which instants lay between two looks
		last := k.CreatedAt
		for now := last; now.Before(k.ExpiresAt.Add(day)); now = now.Add(time.Duration(random.Int64N(int64(10 * day)))) {
			passed = nil
			for _, days := range []int{30, 14, 7, 1} {
				if at := k.ExpiresAt.Add(-time.Duration(days) * day); at.After(last) && !at.After(now) {
					passed = append(passed, uint8(days))
				}
			}
			want := uint8(0)
			if len(passed) > 0 && now.Before(k.ExpiresAt) {
				want = passed[len(passed)-1]
			}
			got := k.Warning(now)
			if got != want {
				t.Fatalf("of a key from %s to %s, looked at %s and %s: %d; want %d", k.CreatedAt, k.ExpiresAt, last, now, got, want)
			}
			if got != 0 {
				k.Warned = got
			}
			last = now
		}
	}
}

// An expiry that is changed begins anew; what else is changed does not.
func TestChangedExpiryBeginsAnew(t *testing.T) {
	old := plainKey()
	old.ExpiresAt, old.Warned = time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC), 7
	for _, tt := range []struct {
		name string
		edit func(k *apikey.Key)
		want uint8
	}{
		{"name", func(k *apikey.Key) { k.Name = "another" }, 7},
		{"the same again", func(k *apikey.Key) { k.ExpiresAt = k.ExpiresAt.Add(time.Millisecond).In(time.FixedZone("", 3600)) }, 7},
		{"later", func(k *apikey.Key) { k.ExpiresAt = k.ExpiresAt.Add(time.Second) }, 0},
		{"sooner", func(k *apikey.Key) { k.ExpiresAt = k.ExpiresAt.Add(-day) }, 0},
		{"never", func(k *apikey.Key) { k.ExpiresAt = time.Time{} }, 0},
		{"a warning", func(k *apikey.Key) { k.Warned = 1 }, 1},
		{"later, and whatever is said", func(k *apikey.Key) { k.ExpiresAt, k.Warned = k.ExpiresAt.Add(day), 1 }, 0},
	} {
		k := old.Clone()
		tt.edit(&k)
		if k.KeepFixed(&old); k.Warned != tt.want {
			t.Errorf("%s: %d; want %d", tt.name, k.Warned, tt.want)
		}
	}
}
