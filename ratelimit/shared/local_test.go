package shared

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/ratelimit"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestOptionsCheck(t *testing.T) {
	tests := []struct {
		name string
		o    Options
		ok   bool
	}{
		{"zero", Options{}, true},
		{"least", Options{Mode: Leased, OnOutage: Open, Lease: 10 * time.Millisecond, Batch: 2}, true},
		{"most", Options{Mode: Leased, OnOutage: Share, Lease: 10 * time.Second, Batch: 1000}, true},
		{"mode", Options{Mode: Leased + 1}, false},
		{"outage", Options{OnOutage: -1}, false},
		{"short lease", Options{Lease: 10*time.Millisecond - 1}, false},
		{"long lease", Options{Lease: 10*time.Second + 1}, false},
		{"small batch", Options{Batch: 1}, false},
		{"large batch", Options{Batch: 1001}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.o.Check(); (err == nil) != tt.ok {
				t.Errorf("got %v, want ok %t", err, tt.ok)
			}
		})
	}
}

func TestPart(t *testing.T) {
	caps := ratelimit.Caps{
		Limits:    apikey.Limits{PerMinute: 60, Burst: 10, PerDay: 2},
		Workspace: "acme", WorkspaceLimits: apikey.WorkspaceLimits{PerMinute: 100},
	}
	tests := []struct {
		n    int
		want ratelimit.Caps
	}{
		{-1, caps},
		{1, caps},
		{3, ratelimit.Caps{
			Limits:    apikey.Limits{PerMinute: 20, Burst: 3, PerDay: 1},
			Workspace: "acme", WorkspaceLimits: apikey.WorkspaceLimits{PerMinute: 33},
		}},
	}
	for _, tt := range tests {
		if got := part(&caps, tt.n); got != tt.want {
			t.Errorf("part %d: got %+v, want %+v", tt.n, got, tt.want)
		}
	}
}

// A request dearer than a gateway's part waits, but not for ever.
func TestShareTellsNever(t *testing.T) {
	l := New(nil, Options{OnOutage: Share, Nodes: func() int { return 3 }})
	caps := ratelimit.Caps{Limits: apikey.Limits{PerMinute: 60, Burst: 60, PerDay: 1000}}
	for cost, want := range map[int]bool{30: false, 61: true} {
		r := l.share(apikey.ID{1}, &caps, cost, noon)
		if r.Allowed || r.Never != want || r.RetryAfter < 1 || r.Minute.Limit != 60 {
			t.Errorf("cost %d: got %+v, want refused, never %t", cost, r, want)
		}
	}
}

func TestSave(t *testing.T) {
	var saved []apikey.Usage
	fail := errors.New("away")
	l := New(nil, Options{Save: func(_ context.Context, used []apikey.Usage) error {
		saved = append([]apikey.Usage{}, used...)
		return fail
	}})
	id, caps := apikey.ID{1}, ratelimit.Caps{Account: apikey.ID{1}}
	want := func(u apikey.Usage) {
		t.Helper()
		u.ID, u.Day = id, apikey.DayOf(noon)
		if l.save(t.Context(), nil); !reflect.DeepEqual(saved, []apikey.Usage{u}) {
			t.Errorf("saved %+v, want %+v", saved, u)
		}
	}
	l.count(id, &caps, 5, true, noon, &apikey.Sighting{})
	l.count(id, &caps, 5, false, noon, &apikey.Sighting{})
	l.Deny(id, ratelimit.Caps{}, noon.Add(90*time.Second))
	want(apikey.Usage{Allowed: 1, Charged: 5, Limited: 1, Denied: 1, LastUsed: noon.Unix() + 60})
	l.count(id, &caps, 5, true, noon, &apikey.Sighting{})
	fail = nil
	want(apikey.Usage{Allowed: 2, Charged: 10, Limited: 1, Denied: 1, LastUsed: noon.Unix() + 60})
	l.count(id, &caps, 1, true, noon, &apikey.Sighting{})
	want(apikey.Usage{Allowed: 1, Charged: 1, LastUsed: noon.Unix()})
	saved = nil
	if l.save(t.Context(), nil); saved != nil {
		t.Errorf("saved %+v where nothing was used", saved)
	}
}

func TestDenyWithoutKnowledge(t *testing.T) {
	l := New(nil, Options{})
	got := l.Deny(apikey.ID{1}, ratelimit.Caps{
		Limits:    apikey.Limits{PerMinute: 60, Burst: 10, PerDay: 100},
		Workspace: "acme", WorkspaceLimits: apikey.WorkspaceLimits{PerDay: 7},
	}, noon)
	want := ratelimit.Result{
		Minute:       ratelimit.Balance{Limit: 10, Remaining: 10},
		Day:          ratelimit.Balance{Limit: 100, Remaining: 100, Reset: 12 * 60 * 60},
		WorkspaceDay: ratelimit.Balance{Limit: 7, Remaining: 7, Reset: 12 * 60 * 60},
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// What is remembered is bounded, however many keys there are.
func TestMemoryIsBounded(t *testing.T) {
	var m table[int, entry]
	m.init()
	for i := range 2 * shardCount * shardSize {
		m.shard(i).entry(i)
	}
	n := 0
	for i := range m.shards {
		n += len(m.shards[i].entries)
	}
	if want := shardCount * shardSize; n != want {
		t.Errorf("%d are remembered, want %d", n, want)
	}
}

// The answer that was on its way when a key was forgotten is not remembered, and
// who waited for it goes on.
func TestForgetWhileAsking(t *testing.T) {
	l := New(nil, Options{Mode: Leased, Batch: 30})
	id, caps := apikey.ID{1}, ratelimit.Caps{Limits: apikey.Limits{PerMinute: 1_000_000, Burst: 60, PerDay: 100}, Account: apikey.ID{1}}
	r := &reply{account: account{key: unused(caps.Limits, noon.UnixMicro()), micros: noon.UnixMicro()}, passes: true}
	l.learn(&caps, 40, r, 0, l.forgets.Load())
	m := l.remember(id, &caps, 1, l.start, &apikey.Sighting{}, false)
	if m.ok || m.lend != 19 || m.renewal == nil {
		t.Fatalf("got %+v, want to be told to take 19 more", m)
	}
	second := l.remember(id, &caps, 1, l.start, &apikey.Sighting{}, false)
	if second.ok || second.lend != 0 || second.wait == nil {
		t.Fatalf("got %+v, want to be told to wait", second)
	}
	if dear := l.remember(id, &caps, 30, l.start, &apikey.Sighting{}, false); dear.ok || dear.lend != 0 || dear.wait != nil {
		t.Fatalf("got %+v, want no waiting for a batch that cannot be enough", dear)
	}
	before := l.forgets.Load()
	l.Forget(id)
	l.learn(&caps, 1, r, 0, before)
	if e := l.memory.keys.shard(id).entries[id]; e != nil {
		t.Errorf("%+v is remembered, want nothing", e)
	}
	l.learn(&caps, 40, r, 0, l.forgets.Load())
	third := l.remember(id, &caps, 1, l.start, &apikey.Sighting{}, false)
	l.renewed(id, m.renewal)
	select {
	case <-second.wait:
	default:
		t.Error("who waits for a batch of a key that was forgotten waits for ever")
	}
	if e := l.memory.keys.shard(id).entries[id]; third.renewal == nil || e.renewal != third.renewal {
		t.Error("the batch that is under way now is taken for the one before")
	}
}
