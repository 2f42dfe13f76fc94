package review_test

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/review"
)

var (
	now   = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	today = apikey.DayOf(now)
)

const day = 24 * time.Hour

func before(d time.Duration) time.Time { return now.Add(-d) }

// quiet is a key about which there is nothing to say.
func quiet() review.Facts {
	return review.Facts{
		Key: &apikey.Key{
			ID: apikey.ID([]byte("7Hk2Qp9aX3bC")), Workspace: "acme", Name: "n", Scopes: []string{"posts:read", "posts:write"}, CreatedAt: before(200 * day),
			ExpiresAt: now.Add(100 * day), Limits: apikey.Limits{PerMinute: 60, PerDay: 1000, Burst: 60},
		},
		LastUsed: before(time.Hour),
		Use:      []apikey.Usage{{Day: today - 60, Charged: 400, Allowed: 400}, {Day: today, Charged: 90, Allowed: 90}},
		Seen: apikey.Seen{
			Scopes:       []apikey.ScopeUse{{Scope: "posts:read", Since: today - 200, Last: today}, {Scope: "posts:write", Since: today - 200, Last: today - 89}},
			NetworkSince: today - 200,
		},
	}
}

func codes(found []review.Finding) string {
	var list []string
	for _, f := range found {
		name := string(f.Code)
		if f.Scope != "" {
			name += " " + f.Scope
		}
		list = append(list, name)
	}
	return strings.Join(list, ", ")
}

func write(f *review.Facts) *apikey.ScopeUse { return &f.Seen.Scopes[1] }

// Each rule tells what it is about, and nothing one step before that.
func TestRules(t *testing.T) {
	network := netip.MustParsePrefix("203.0.113.0/24")
	for name, test := range map[string]struct {
		change func(f *review.Facts)
		want   string
	}{
		"quiet": {func(*review.Facts) {}, ""},

		"never used, 7 days old":          {func(f *review.Facts) { f.LastUsed, f.Key.CreatedAt = time.Time{}, before(7*day) }, "never_used"},
		"never used, not yet 7 days old":  {func(f *review.Facts) { f.LastUsed, f.Key.CreatedAt = time.Time{}, before(7*day-time.Second) }, "never_used"},
		"never used, imported 7 days ago": {func(f *review.Facts) { f.LastUsed, f.Seen.NetworkSince = time.Time{}, today-8 }, "never_used"},
		"never used, imported 6 days ago": {func(f *review.Facts) { f.LastUsed, f.Seen.NetworkSince = time.Time{}, today-6 }, "never_used"},
		"never used, not watched":         {func(f *review.Facts) { f.LastUsed, f.Seen = time.Time{}, apikey.Seen{} }, "never_used"},
		"used, nobody can tell when":      {func(f *review.Facts) { f.LastUsed, f.LastUnknown = time.Time{}, true }, ""},
		"made in the future":              {func(f *review.Facts) { f.LastUsed, f.Key.CreatedAt = time.Time{}, now.Add(day) }, ""},
		"idle for 90 days":                {func(f *review.Facts) { f.LastUsed = before(90 * day) }, "idle"},
		"idle for a second less":          {func(f *review.Facts) { f.LastUsed = before(90*day - time.Second) }, ""},
		"used in the future":              {func(f *review.Facts) { f.LastUsed = now.Add(day) }, ""},
		"expires in 30 days":              {func(f *review.Facts) { f.Key.ExpiresAt = now.Add(30 * day) }, "expiring"},
		"expires in 30 days and a second": {func(f *review.Facts) { f.Key.ExpiresAt = now.Add(30*day + time.Second) }, ""},
		"expires in a second":             {func(f *review.Facts) { f.Key.ExpiresAt = now.Add(time.Second) }, "expiring"},
		"expires now":                     {func(f *review.Facts) { f.Key.ExpiresAt = now }, ""},
		"never expires":                   {func(f *review.Facts) { f.Key.ExpiresAt = time.Time{} }, "no_expiry"},
		"expires, and is idle":            {func(f *review.Facts) { f.Key.ExpiresAt, f.LastUsed = now.Add(day), before(91*day) }, "idle, expiring"},
		"revoked": {func(f *review.Facts) {
			f.Key.RevokedAt, f.Key.ExpiresAt, f.LastUsed = before(day), time.Time{}, before(100*day)
		}, ""},
		"revoked and disabled":             {func(f *review.Facts) { f.Key.RevokedAt, f.Key.Disabled, f.LastUsed = before(day), true, time.Time{} }, ""},
		"disabled and expired":             {func(f *review.Facts) { f.Key.ExpiresAt, f.Key.Disabled, f.LastUsed = now, true, time.Time{} }, ""},
		"disabled":                         {func(f *review.Facts) { f.Key.Disabled = true }, ""},
		"disabled and idle, never expires": {func(f *review.Facts) { f.Key.Disabled, f.LastUsed, f.Key.ExpiresAt = true, before(90*day), time.Time{} }, "idle, no_expiry"},
		"disabled, what it was used for":   {func(f *review.Facts) { f.Key.Disabled, f.Seen.Network, write(f).Last = true, network, 0 }, ""},

		"scope last used 90 days ago":            {func(f *review.Facts) { write(f).Last = today - 90 }, "unused_scope posts:write"},
		"scope last used 89 days ago":            {func(f *review.Facts) { write(f).Last = today - 89 }, ""},
		"scope never used, watched for 90 days":  {func(f *review.Facts) { write(f).Last, write(f).Since = 0, today-90 }, "unused_scope posts:write"},
		"scope never used, watched for 89 days":  {func(f *review.Facts) { write(f).Last, write(f).Since = 0, today-89 }, ""},
		"scope never used, not watched":          {func(f *review.Facts) { write(f).Last, write(f).Since = 0, 0 }, ""},
		"scope not known to be watched":          {func(f *review.Facts) { f.Seen.Scopes = f.Seen.Scopes[:1] }, ""},
		"nothing is known of scopes":             {func(f *review.Facts) { f.Seen = apikey.Seen{} }, ""},
		"scope used before it was watched again": {func(f *review.Facts) { write(f).Last, write(f).Since = today-150, today-89 }, ""},
		"scope that is not held any more": {func(f *review.Facts) {
			write(f).Last, f.Key.Scopes = today-100, []string{"posts:read"}
		}, ""},
		"scope watched from tomorrow on": {func(f *review.Facts) { write(f).Last, write(f).Since = 0, today+1 }, ""},
		"both scopes":                    {func(f *review.Facts) { f.Seen.Scopes[0].Last, write(f).Last = today-90, 0 }, "unused_scope posts:read, unused_scope posts:write"},
		"scopes of an idle key":          {func(f *review.Facts) { f.LastUsed, write(f).Last = before(100*day), 0 }, "idle"},
		"scopes of a key that was never used": {func(f *review.Facts) {
			f.LastUsed, write(f).Last, f.Seen.Network = time.Time{}, 0, network
		}, "never_used"},

		"one network for 30 days":  {func(f *review.Facts) { f.Seen.Network, f.Seen.NetworkSince = network, today-30 }, "one_network"},
		"one network for 29 days":  {func(f *review.Facts) { f.Seen.Network, f.Seen.NetworkSince = network, today-29 }, ""},
		"one network, not watched": {func(f *review.Facts) { f.Seen.Network, f.Seen.NetworkSince = network, 0 }, ""},
		"one network, and addresses": {func(f *review.Facts) {
			f.Seen.Network, f.Key.AllowedIPs = network, []string{"203.0.113.7"}
		}, ""},
		"one network of an idle key": {func(f *review.Facts) { f.Seen.Network, f.LastUsed = network, before(90*day) }, "idle"},
		"all addresses":              {func(f *review.Facts) { f.Seen.Network = netip.MustParsePrefix("0.0.0.0/0") }, ""},

		"20 times the busiest day":  {func(f *review.Facts) { f.Key.Limits.PerDay = 8000 }, "high_limits"},
		"a little less":             {func(f *review.Facts) { f.Key.Limits.PerDay = 7999 }, ""},
		"of 30 days":                {func(f *review.Facts) { f.Key.Limits.PerDay, f.Use[0].Day = 8000, today-29 }, "high_limits"},
		"of 29 days":                {func(f *review.Facts) { f.Key.Limits.PerDay, f.Use[0].Day = 8000, today-28 }, ""},
		"use is not known":          {func(f *review.Facts) { f.Key.Limits.PerDay, f.Use = 8000, nil }, ""},
		"charged more than counted": {func(f *review.Facts) { f.Key.Limits.PerDay, f.Use[0].Charged = 8000, 500 }, ""},
		"only denied": {func(f *review.Facts) {
			f.Key.Limits.PerDay, f.Use = 8000, []apikey.Usage{{Day: today - 60, Denied: 5}, {Day: today, Denied: 5}}
		}, ""},
		"the account was charged": {func(f *review.Facts) {
			f.Key.Limits.PerDay, f.Use[0].Charged, f.Use[1].Charged = 8000, 0, 0
			f.AccountUse = []apikey.Usage{{Day: today - 60, Charged: 400}, {Day: today, Charged: 90}}
		}, "high_limits"},
		"the account was charged more": {func(f *review.Facts) {
			f.Key.Limits.PerDay, f.Use[0].Charged, f.Use[1].Charged = 8000, 0, 0
			f.AccountUse = []apikey.Usage{{Day: today - 60, Charged: 401}, {Day: today, Charged: 90}}
		}, ""},
		"the account is gone":      {func(f *review.Facts) { f.Key.Limits.PerDay, f.Use[0].Charged = 8000, 0 }, ""},
		"100 a day are not high":   {func(f *review.Facts) { f.Key.Limits.PerDay, f.Use = 100, few(1) }, ""},
		"101 a day":                {func(f *review.Facts) { f.Key.Limits.PerDay, f.Use = 101, few(1) }, "high_limits"},
		"limits of an idle key":    {func(f *review.Facts) { f.Key.Limits.PerDay, f.LastUsed = 8000, before(90*day) }, "idle"},
		"limits of a disabled key": {func(f *review.Facts) { f.Key.Limits.PerDay, f.Key.Disabled = 8000, true }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := quiet()
			test.change(&f)
			if got := codes(review.Of(&f, review.Limits{}, now)); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

func few(n uint64) []apikey.Usage {
	return []apikey.Usage{{Day: today - 50, Charged: n, Allowed: n}, {Day: today, Charged: n, Allowed: n}}
}

// What is found is told with the time for which it was watched, and with what to
// do about it.
func TestWords(t *testing.T) {
	scopes := func(list ...string) *review.Suggestion {
		return &review.Suggestion{Do: review.Update, Change: &review.Change{Scopes: list}}
	}
	days := func(n int) *review.Suggestion {
		return &review.Suggestion{Do: review.Update, Change: &review.Change{ExpiresInDays: n}}
	}
	for name, test := range map[string]struct {
		change func(f *review.Facts, l *review.Limits)
		want   review.Finding
	}{
		"never used": {
			func(f *review.Facts, _ *review.Limits) { f.LastUsed, f.Key.CreatedAt = time.Time{}, before(40*day) },
			review.Finding{Code: review.NeverUsed, Detail: "never used in the 40 days since it was made", Suggest: &review.Suggestion{Do: review.Disable}},
		},
		"never used since an import": {
			func(f *review.Facts, _ *review.Limits) { f.LastUsed, f.Seen.NetworkSince = time.Time{}, today-40 },
			review.Finding{Code: review.NeverUsed, Detail: "not used in the 40 days that its use was watched", Suggest: &review.Suggestion{Do: review.Disable}},
		},
		"not used yet": {
			func(f *review.Facts, _ *review.Limits) {
				f.LastUsed, f.Key.CreatedAt = time.Time{}, before(7*day-time.Second)
			},
			review.Finding{Code: review.NeverUsed, Detail: "never used in the 6 days since it was made"},
		},
		"made just now": {
			func(f *review.Facts, _ *review.Limits) {
				f.LastUsed, f.Key.CreatedAt = time.Time{}, before(day-time.Second)
			},
			review.Finding{Code: review.NeverUsed, Detail: "not used since it was made, less than a day ago"},
		},
		"imported just now": {
			func(f *review.Facts, _ *review.Limits) { f.LastUsed, f.Seen.NetworkSince = time.Time{}, today },
			review.Finding{Code: review.NeverUsed, Detail: "not used so far; its use has been watched for less than a day"},
		},
		"idle": {
			func(f *review.Facts, _ *review.Limits) { f.LastUsed = before(120 * day) },
			review.Finding{Code: review.Idle, Detail: "last used 120 days ago, on 2026-07-26", Suggest: &review.Suggestion{Do: review.Disable}},
		},
		"idle and disabled": {
			func(f *review.Facts, _ *review.Limits) { f.LastUsed, f.Key.Disabled = before(120*day), true },
			review.Finding{Code: review.Idle, Detail: "last used 120 days ago, on 2026-07-26", Suggest: &review.Suggestion{Do: review.Revoke}},
		},
		"expiring": {
			func(f *review.Facts, _ *review.Limits) { f.Key.ExpiresAt = now.Add(6*day - time.Hour) },
			review.Finding{Code: review.Expiring, Detail: "expires in 6 days, on 2026-11-29", Suggest: days(365)},
		},
		"expiring at once": {
			func(f *review.Facts, _ *review.Limits) { f.Key.ExpiresAt = now.Add(time.Hour) },
			review.Finding{Code: review.Expiring, Detail: "expires in less than a day, at 2026-11-23T11:00:00Z", Suggest: days(365)},
		},
		"expiring and replaced": {
			func(f *review.Facts, _ *review.Limits) {
				f.Key.ExpiresAt, f.Key.ReplacedBy = now.Add(day), apikey.ID([]byte("V722epF2Tjl2"))
			},
			review.Finding{Code: review.Expiring, Detail: "expires in 1 day, on 2026-11-24, and V722epF2Tjl2 takes its place"},
		},
		"expiring, with a default that is sooner": {
			func(f *review.Facts, l *review.Limits) { f.Key.ExpiresAt, l.ExpiryDays = now.Add(20*day), 7 },
			review.Finding{Code: review.Expiring, Detail: "expires in 20 days, on 2026-12-13", Suggest: days(365)},
		},
		"expiring, with a default that is sooner and a maximum": {
			func(f *review.Facts, l *review.Limits) {
				f.Key.ExpiresAt, l.ExpiryDays, l.MaxExpiryDays = now.Add(20*day), 7, 21
			},
			review.Finding{Code: review.Expiring, Detail: "expires in 20 days, on 2026-12-13", Suggest: days(21)},
		},
		"expiring, and may not end later": {
			func(f *review.Facts, l *review.Limits) { f.Key.ExpiresAt, l.MaxExpiryDays = now.Add(20*day), 20 },
			review.Finding{Code: review.Expiring, Detail: "expires in 20 days, on 2026-12-13, and may not get a later end"},
		},
		"expiring and disabled": {
			func(f *review.Facts, _ *review.Limits) { f.Key.ExpiresAt, f.Key.Disabled = now.Add(day), true },
			review.Finding{Code: review.Expiring, Detail: "expires in 1 day, on 2026-11-24", Suggest: days(365)},
		},
		"no expiry": {
			func(f *review.Facts, _ *review.Limits) { f.Key.ExpiresAt = time.Time{} },
			review.Finding{Code: review.NoExpiry, Detail: "never expires", Suggest: days(365)},
		},
		"no expiry, with a default": {
			func(f *review.Facts, l *review.Limits) { f.Key.ExpiresAt, l.ExpiryDays = time.Time{}, 500 },
			review.Finding{Code: review.NoExpiry, Detail: "never expires", Suggest: days(500)},
		},
		"no expiry, with a maximum": {
			func(f *review.Facts, l *review.Limits) { f.Key.ExpiresAt, l.MaxExpiryDays = time.Time{}, 90 },
			review.Finding{Code: review.NoExpiry, Detail: "never expires", Suggest: days(90)},
		},
		"scope": {
			func(f *review.Facts, _ *review.Limits) { write(f).Last, write(f).Since = 0, today-95 },
			review.Finding{Code: review.UnusedScope, Scope: "posts:write", WatchedSince: "2026-08-20", Detail: "posts:write was not used in the 95 days that it was watched", Suggest: scopes("posts:read")},
		},
		"scope used once": {
			func(f *review.Facts, _ *review.Limits) { write(f).Last = today - 95 },
			review.Finding{Code: review.UnusedScope, Scope: "posts:write", WatchedSince: "2026-05-07", Detail: "posts:write was last used 95 days ago, on 2026-08-20", Suggest: scopes("posts:read")},
		},
		"the only scope": {
			func(f *review.Facts, _ *review.Limits) { f.Key.Scopes, write(f).Last = []string{"posts:write"}, 0 },
			review.Finding{Code: review.UnusedScope, Scope: "posts:write", WatchedSince: "2026-05-07", Detail: "posts:write was not used in the 200 days that it was watched"},
		},
		"network": {
			func(f *review.Facts, _ *review.Limits) {
				f.Seen.Network, f.Seen.NetworkSince = netip.MustParsePrefix("2001:db8:7::/48"), today-31
			},
			review.Finding{
				Code: review.OneNetwork, WatchedSince: "2026-10-23", Detail: "may be used from anywhere, and was used from 2001:db8:7::/48 alone in the 31 days that this was watched",
				Suggest: &review.Suggestion{Do: review.Update, Change: &review.Change{AllowedIPs: []string{"2001:db8:7::/48"}}},
			},
		},
		"limits": {
			func(f *review.Facts, _ *review.Limits) { f.Key.Limits.PerDay = 10_000 },
			review.Finding{
				Code: review.HighLimits, Detail: "may use 10,000 a day, and used 400 on the busiest of 61 days",
				Suggest: &review.Suggestion{Do: review.Update, Change: &review.Change{Limits: &review.LimitChange{PerDay: 1600}}},
			},
		},
		"limits of a key with little to do": {
			func(f *review.Facts, _ *review.Limits) { f.Key.Limits.PerDay, f.Use = 1_000_000_000, few(3) },
			review.Finding{
				Code: review.HighLimits, Detail: "may use 1,000,000,000 a day, and used 3 on the busiest of 51 days",
				Suggest: &review.Suggestion{Do: review.Update, Change: &review.Change{Limits: &review.LimitChange{PerDay: 100}}},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f, l := quiet(), review.Limits{}
			test.change(&f, &l)
			if got := review.Of(&f, l, now); len(got) != 1 || !reflect.DeepEqual(got[0], test.want) {
				t.Errorf("%+v, want %+v", got, test.want)
			}
		})
	}
}

// A key that ends soon is never suggested an earlier end, nor one that is not accepted.
// A later one is suggested wherever one is accepted.
func TestSuggestedEndIsLater(t *testing.T) {
	for _, usual := range []int{0, 1, 7, 29, 30, 31, 365, 3650} {
		for _, most := range []int{0, 1, 7, 29, 30, 31, 90, 3650} {
			for left := time.Hour; left <= review.ExpiringDays*day; left += 11 * time.Hour {
				f := quiet()
				f.Key.ExpiresAt = now.Add(left)
				found := review.Of(&f, review.Limits{ExpiryDays: usual, MaxExpiryDays: most}, now)
				if codes(found) != "expiring" {
					t.Fatalf("default %d, at most %d, %v left: %+v", usual, most, left, found)
				}
				possible := most == 0 || time.Duration(most)*day > left
				if suggested := found[0].Suggest != nil; suggested != possible {
					t.Errorf("default %d, at most %d, %v left: a later end is suggested: %t, is accepted: %t", usual, most, left, suggested, possible)
				} else if suggested {
					if n := found[0].Suggest.Change.ExpiresInDays; time.Duration(n)*day <= left || most > 0 && n > most {
						t.Errorf("default %d, at most %d, %v left: %d days are suggested", usual, most, left, n)
					}
				}
			}
		}
	}
}

// Of a key that nobody uses, one thing is suggested: to end it.
func TestForgottenKeysHaveOneSuggestion(t *testing.T) {
	for _, used := range []time.Time{{}, before(100 * day)} {
		for _, expires := range []time.Time{{}, now.Add(day)} {
			f := quiet()
			f.LastUsed, f.Key.ExpiresAt = used, expires
			got := review.Of(&f, review.Limits{}, now)
			if len(got) != 2 || got[0].Suggest == nil || got[1].Suggest != nil {
				t.Errorf("used %v, expires %v: %+v", used, expires, got)
			}
		}
	}
}

// Nothing is told or suggested that the caller may not see or follow.
func TestLimits(t *testing.T) {
	f := quiet()
	f.Key.Limits.PerDay, f.Key.ExpiresAt, write(&f).Last = 10_000, time.Time{}, 0
	f.Seen.Network = netip.MustParsePrefix("203.0.113.0/24")
	for want, limits := range map[string]review.Limits{
		"no_expiry, unused_scope posts:write, one_network, high_limits": {},
		"no_expiry, unused_scope posts:write, high_limits":              {NoIPs: true},
		"no_expiry": {NoUse: true},
	} {
		if got := codes(review.Of(&f, limits, now)); got != want {
			t.Errorf("%+v: %s, want %s", limits, got, want)
		}
	}
}

// Use is asked for wherever the rules look at it, and only of keys that need it.
func TestNeedsUse(t *testing.T) {
	for name, test := range map[string]struct {
		change func(f *review.Facts)
		want   bool
	}{
		"in use":      {func(*review.Facts) {}, true},
		"idle":        {func(f *review.Facts) { f.LastUsed = before(90 * day) }, false},
		"never used":  {func(f *review.Facts) { f.LastUsed = time.Time{} }, false},
		"disabled":    {func(f *review.Facts) { f.Key.Disabled = true }, false},
		"low limits":  {func(f *review.Facts) { f.Key.Limits.PerDay = review.LeastPerDay }, false},
		"high enough": {func(f *review.Facts) { f.Key.Limits.PerDay = review.LeastPerDay + 1 }, true},
	} {
		t.Run(name, func(t *testing.T) {
			f := quiet()
			test.change(&f)
			if got := f.NeedsUse(now); got != test.want {
				t.Errorf("%t", got)
			}
		})
	}
}

// A suggested limit leaves room, and is one that people would choose.
func TestSuggestedLimits(t *testing.T) {
	for n := uint64(1); n < 30_000_000; n += 1 + n/7 {
		f := quiet()
		f.Key.Limits.PerDay, f.Use = 1_000_000_000, few(n)
		got := review.Of(&f, review.Limits{}, now)
		if len(got) != 1 {
			t.Fatalf("busiest %d: %+v", n, got)
		}
		room := uint64(got[0].Suggest.Change.Limits.PerDay)
		if room < review.RoomFactor*n || room > review.RoomFactor*n*2 && room != review.LeastPerDay {
			t.Errorf("busiest %d: %d a day", n, room)
		}
		digits := room
		for digits%10 == 0 {
			digits /= 10
		}
		if digits > 20 {
			t.Errorf("busiest %d: %d a day is not round", n, room)
		}
		f.Key.Limits.PerDay = uint32(room)
		if again := review.Of(&f, review.Limits{}, now); len(again) != 0 {
			t.Errorf("busiest %d: followed, and still %+v", n, again)
		}
	}
}
