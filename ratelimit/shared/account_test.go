//go:build fleet

package shared_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis/redistest"
	"github.com/socialpatra/keygate/ratelimit"
	"github.com/socialpatra/keygate/ratelimit/shared"
)

// onAccount is for keys that are on the account of keyA, itself or not.
func onAccount(caps ratelimit.Caps) ratelimit.Caps {
	caps.Account = keyA
	return caps
}

// Keys on one account share its leases, too, also while its key is deleted.
func TestLeasedFleetOnOneAccount(t *testing.T) {
	awayFromMidnight(t)
	server := redistest.Start(t, "--appendfsync", "everysec")
	gateways := fleet(t, server, shared.Options{Mode: shared.Leased, Batch: 50})
	begin := time.Now()
	got := offer(t, gateways, 4_000, 1, onAccount(limits(600_000, 2000, 100_000)), many, func() { gateways[0].Forget(keyA) })
	if most := 2000 + int(10_000*time.Since(begin).Seconds()) + 3*49; got < 2000 || got > most {
		t.Errorf("%d passed, want 2,000 to %d", got, most)
	}
	used, err := strconv.Atoi(server.Do("HGET", "keygate:l:{acme}:"+keyA.String(), "used"))
	if err != nil || used < got {
		t.Errorf("the engine counts %d (%v) where %d passed", used, err, got)
	}
	if got := server.Do("EXISTS", "keygate:l:{acme}:"+many(1).String()); got != "0" {
		t.Errorf("a key that is on the account of another is charged, too")
	}
}

// What is known of an account answers for each of its keys, whichever says so,
// and each counts for itself.
func TestAccountIsRemembered(t *testing.T) {
	awayFromMidnight(t)
	server := redistest.Start(t)
	var saved []apikey.Usage
	l := start(t, server.Addr, withSave(shared.Options{}, &saved))
	own, other := limits(60, 60, 3), onAccount(limits(60, 60, 3))
	for range 3 {
		take(t, l, own, 1)
	}
	take(t, l, own, 1)
	asked := trips(server)
	for range 5 {
		if r, err := l.Take(keyB, other, 1, time.Now()); err != nil || r.Allowed || r.Day.Remaining != 0 {
			t.Errorf("another key is told %+v, %v", r, err)
		}
	}
	if r := l.Deny(keyB, other, time.Now()); r.Day.Remaining != 0 {
		t.Errorf("another key that is denied is told %+v", r)
	}
	if got := trips(server); got != asked {
		t.Errorf("%d trips for an account that is known to be used up", got-asked)
	}
	if r, err := l.Peek(keyB, other, 1); err != nil || r.Allowed || r.Day.Remaining != 0 {
		t.Errorf("Peek: %+v, %v", r, err)
	}
	l.Save()
	want := map[apikey.ID]apikey.Usage{keyA: {Charged: 3, Allowed: 3, Limited: 1}, keyB: {Limited: 5, Denied: 1}}
	for _, u := range saved {
		w := want[u.ID]
		if w.ID, w.Day, w.LastUsed = u.ID, u.Day, u.LastUsed; u != w {
			t.Errorf("saved %+v; want %+v", u, w)
		}
	}
	if len(saved) != 2 {
		t.Errorf("saved %+v", saved)
	}
}

// A key that is deleted takes nothing from its successors' part of the share
// that it has used.
func TestShareOfAnAccount(t *testing.T) {
	awayFromMidnight(t)
	server := redistest.Start(t)
	l := start(t, server.Addr, shared.Options{OnOutage: shared.Share})
	server.Stop()
	defer server.Cont()
	passed := 0
	for n := range 12 {
		r, err := l.Take(many(n%3), onAccount(limits(60, 60, 5)), 1, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if r.Allowed {
			passed++
		}
		l.Forget(keyA)
		l.Sweep(time.Now())
	}
	if passed != 5 {
		t.Errorf("%d passed, of a share of 5", passed)
	}
}
