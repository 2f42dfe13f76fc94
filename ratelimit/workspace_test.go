package ratelimit_test

import (
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/ratelimit"
)

// together is a generous key in a workspace that is limited.
func together(perMinute, perDay uint32) ratelimit.Caps {
	c := limits(1_000_000, 1_000_000, 1_000_000_000)
	c.Workspace, c.WorkspaceLimits = acme, apikey.WorkspaceLimits{PerMinute: perMinute, PerDay: perDay}
	return c
}

// takeBy asks n times with a key, and returns how many passed.
func takeBy(l *ratelimit.Limiter, id apikey.ID, c ratelimit.Caps, n int, now time.Time) int {
	passed := 0
	for range n {
		if l.Take(id, c, 1, now).Allowed {
			passed++
		}
	}
	return passed
}

func TestWorkspaceResult(t *testing.T) {
	const untilMidnight = 12 * 60 * 60
	small := together(60, 1000)
	small.Limits = limits(60, 5, 8).Limits
	tests := []struct {
		name   string
		caps   ratelimit.Caps
		before int // requests of cost 1 by another key
		cost   int
		want   ratelimit.Result // without Minute and Day
	}{
		{"none", together(0, 0), 5, 1, ratelimit.Result{Allowed: true}},
		{"both", together(60, 100), 5, 2, ratelimit.Result{
			Allowed:         true,
			WorkspaceMinute: ratelimit.Balance{Limit: 60, Remaining: 53, Reset: 1},
			WorkspaceDay:    ratelimit.Balance{Limit: 100, Remaining: 93, Reset: untilMidnight},
		}},
		{"minute only", together(60, 0), 60, 3, ratelimit.Result{
			WorkspaceMinute:          ratelimit.Balance{Limit: 60, Remaining: 0, Reset: 1},
			WorkspaceMinuteExhausted: true, RetryAfter: 3,
		}},
		{"day only", together(0, 4), 4, 1, ratelimit.Result{
			WorkspaceDay:          ratelimit.Balance{Limit: 4, Remaining: 0, Reset: untilMidnight},
			WorkspaceDayExhausted: true, RetryAfter: untilMidnight,
		}},
		{"more than the bucket", together(4, 0), 1, 5, ratelimit.Result{
			WorkspaceMinute:          ratelimit.Balance{Limit: 4, Remaining: 3, Reset: 15},
			WorkspaceMinuteExhausted: true, RetryAfter: 15, Never: true,
		}},
		{"more than the quota", together(0, 4), 0, 5, ratelimit.Result{
			WorkspaceDay:          ratelimit.Balance{Limit: 4, Remaining: 4, Reset: untilMidnight},
			WorkspaceDayExhausted: true, RetryAfter: untilMidnight, Never: true,
		}},
		{"key and workspace: the later", together(1, 0), 1, 1, ratelimit.Result{
			WorkspaceMinute:          ratelimit.Balance{Limit: 1, Remaining: 0, Reset: 60},
			WorkspaceMinuteExhausted: true, RetryAfter: 60,
		}},
		{"largest", together(1e9, 1e9), 0, 1000, ratelimit.Result{
			Allowed:         true,
			WorkspaceMinute: ratelimit.Balance{Limit: 1e9, Remaining: 1e9 - 1000, Reset: 1},
			WorkspaceDay:    ratelimit.Balance{Limit: 1e9, Remaining: 1e9 - 1000, Reset: untilMidnight},
		}},
		{"the key refuses", small, 0, 6, ratelimit.Result{
			WorkspaceMinute: ratelimit.Balance{Limit: 60, Remaining: 60},
			WorkspaceDay:    ratelimit.Balance{Limit: 1000, Remaining: 1000, Reset: untilMidnight},
			MinuteExhausted: true, RetryAfter: 5, Never: true,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := ratelimit.New()
			if passed := takeBy(l, keyB, tt.caps, tt.before, noon); passed != tt.before {
				t.Fatalf("%d of the %d requests before passed", passed, tt.before)
			}
			peek := l.Peek(keyA, tt.caps, tt.cost, noon)
			got := l.Take(keyA, tt.caps, tt.cost, noon)
			if got != peek {
				t.Errorf("Take\n got %+v\nPeek %+v", got, peek)
			}
			tt.want.Minute, tt.want.Day = got.Minute, got.Day
			if tt.want.MinuteExhausted {
				tt.want.RetryAfter = got.RetryAfter
			}
			if got != tt.want {
				t.Errorf("\n got %+v\nwant %+v", got, tt.want)
			}
			deny := l.Deny(keyA, tt.caps, noon)
			want := ratelimit.Result{Minute: got.Minute, Day: got.Day, WorkspaceMinute: got.WorkspaceMinute, WorkspaceDay: got.WorkspaceDay}
			if deny != want {
				t.Errorf("Deny\n got %+v\nwant %+v", deny, want)
			}
		})
	}
}

// A refusal by one of the four limits charges nothing to the other three.
func TestAllFourOrNone(t *testing.T) {
	tests := []struct {
		name string
		key  apikey.Limits
		all  apikey.WorkspaceLimits
	}{
		{"minute", apikey.Limits{PerMinute: 60, Burst: 3, PerDay: 10}, apikey.WorkspaceLimits{PerMinute: 10, PerDay: 10}},
		{"day", apikey.Limits{PerMinute: 60, Burst: 10, PerDay: 3}, apikey.WorkspaceLimits{PerMinute: 10, PerDay: 10}},
		{"workspace minute", apikey.Limits{PerMinute: 60, Burst: 10, PerDay: 10}, apikey.WorkspaceLimits{PerMinute: 3, PerDay: 10}},
		{"workspace day", apikey.Limits{PerMinute: 60, Burst: 10, PerDay: 10}, apikey.WorkspaceLimits{PerMinute: 10, PerDay: 3}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, c := ratelimit.New(), ratelimit.Caps{Limits: tt.key, Workspace: acme, WorkspaceLimits: tt.all}
			if got := takeBy(l, keyA, c, 9, noon); got != 3 {
				t.Fatalf("%d passed, want 3", got)
			}
			r := l.Peek(keyA, c, 1, noon)
			for i, b := range []ratelimit.Balance{r.Minute, r.Day, r.WorkspaceMinute, r.WorkspaceDay} {
				if used := b.Limit - b.Remaining; used != 3 {
					t.Errorf("limit %d was charged %d, want 3: %+v", i, used, r)
				}
			}
			keys, workspaces := l.Drain(nil, nil)
			if len(keys) != 1 || keys[0].Limited != 6 || keys[0].Charged != 3 {
				t.Errorf("counted %+v, want 3 charged and 6 limited", keys)
			}
			want := apikey.WorkspaceUsage{Workspace: acme, Day: apikey.DayOf(noon), Charged: 3}
			if len(workspaces) != 1 || workspaces[0] != want {
				t.Errorf("counted %+v, want %+v", workspaces, want)
			}
			takeBy(l, keyA, c, 9, noon)
			if _, workspaces := l.Drain(nil, nil); len(workspaces) != 0 {
				t.Errorf("refusals alone are saved: %+v", workspaces)
			}
		})
	}
}

func TestChangedWorkspaceLimits(t *testing.T) {
	tests := []struct {
		name          string
		before, after ratelimit.Caps
		used          int
		minute, day   uint32 // remaining under the limits after
	}{
		{"smaller", together(60, 100), together(10, 40), 5, 10, 35},
		{"larger is only room", together(10, 100), together(600, 200), 4, 6, 196},
		{"day limited from now on", together(60, 0), together(60, 100), 7, 53, 93},
		{"minute limited from now on", together(0, 100), together(60, 100), 7, 60, 93},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := ratelimit.New()
			takeBy(l, keyA, tt.before, tt.used, noon)
			got := l.Take(keyB, tt.after, 2_000_000_000, noon)
			if got.WorkspaceMinute.Remaining != tt.minute || got.WorkspaceDay.Remaining != tt.day {
				t.Errorf("minute %d, day %d left; want %d, %d", got.WorkspaceMinute.Remaining, got.WorkspaceDay.Remaining, tt.minute, tt.day)
			}
		})
	}
	t.Run("off and on gains nothing", func(t *testing.T) {
		l := ratelimit.New()
		takeBy(l, keyA, together(60, 100), 60, noon)
		takeBy(l, keyA, together(0, 100), 10, noon)
		takeBy(l, keyA, together(0, 0), 10, noon)
		if got := takeBy(l, keyA, together(60, 100), 100, noon.Add(time.Second)); got != 1 {
			t.Errorf("%d passed, want the one that was refilled", got)
		}
	})
}

// A deleted key gives nothing back to its workspace.
func TestForgetLeavesTheWorkspace(t *testing.T) {
	l, c := ratelimit.New(), together(60, 60)
	takeBy(l, keyA, c, 60, noon)
	l.Forget(keyA)
	if got := takeBy(l, keyB, c, 60, noon); got != 0 {
		t.Errorf("%d passed with a new key, want 0", got)
	}
	if _, us := l.Drain(nil, nil); len(us) != 1 || us[0].Charged != 60 {
		t.Errorf("drained %+v, want 60 charged", us)
	}
}

func TestWithoutLimitsThereIsNoWorkspace(t *testing.T) {
	l, c := ratelimit.New(), together(0, 0)
	takeBy(l, keyA, c, 10, noon)
	l.Deny(keyA, c, noon)
	l.Peek(keyA, together(5, 5), 1, noon)
	l.Deny(keyA, together(5, 5), noon)
	if _, n := l.Len(); n != 0 {
		t.Errorf("%d workspaces have state, want 0", n)
	}
}

// A workspace that was only asked about, and charged nothing, is not remembered
// for it.
func TestUnchargedWorkspaceIsSwept(t *testing.T) {
	l, c := ratelimit.New(), together(60, 1000)
	if r := l.Take(keyA, c, 61, noon); r.Allowed {
		t.Fatalf("got %+v", r)
	}
	drain(l)
	l.Sweep(noon.Add(minute))
	if keys, workspaces := l.Len(); keys != 1 || workspaces != 0 {
		t.Errorf("%d keys and %d workspaces; want the key that was limited, and no workspace", keys, workspaces)
	}
}

// Never is for what costs more than a workspace can ever hold, and not for what
// it holds at most.
func TestNeverOfAWorkspace(t *testing.T) {
	for _, tt := range []struct {
		perMinute, perDay uint32
		cost              int
		never             bool
	}{
		{100, 50, 50, false},
		{100, 50, 51, true},
		{50, 100, 50, false},
		{50, 100, 51, true},
		{0, 50, 50, false},
		{0, 50, 51, true},
		{50, 0, 50, false},
		{50, 0, 51, true},
		{0, 1000, 1000, false},
		{0, 999, 1000, true},
	} {
		l, c := ratelimit.New(), together(tt.perMinute, tt.perDay)
		takeBy(l, keyB, c, 1, noon)
		if r := l.Take(keyA, c, tt.cost, noon); r.Allowed || r.Never != tt.never {
			t.Errorf("%d a minute and %d a day, after one, for %d: %+v; want never: %t", tt.perMinute, tt.perDay, tt.cost, r, tt.never)
		}
	}
}

func TestUndrainWorkspace(t *testing.T) {
	l, c := ratelimit.New(), together(60, 100)
	today := apikey.DayOf(noon)
	takeBy(l, keyA, c, 3, noon)
	_, failed := l.Drain(nil, nil)
	l.Sweep(noon.Add(day))
	takeBy(l, keyA, c, 2, noon.Add(day))
	l.Undrain(nil, failed)
	got := map[apikey.Day]uint64{}
	_, us := l.Drain(nil, nil)
	for _, u := range us {
		got[u.Day] = u.Charged
	}
	if len(us) != 2 || got[today] != 3 || got[today+1] != 2 {
		t.Errorf("drained %+v, want 3 and a day later 2", us)
	}
}

// A count without a limit stops where it no longer fits, and does not begin
// again at nothing.
func TestWorkspaceCountStops(t *testing.T) {
	l := ratelimit.New()
	for _, charged := range []uint64{1 << 40, 1<<32 - 3} {
		l.RestoreWorkspace(apikey.WorkspaceUsage{Workspace: acme, Day: apikey.DayOf(noon), Charged: charged})
		takeBy(l, keyA, together(60, 0), 5, noon)
		if _, us := l.Drain(nil, nil); len(us) != 1 || us[0].Charged != 1<<32-1 {
			t.Errorf("%d charged, and 5 more, became %+v", charged, us)
		}
	}
	if got := takeBy(l, keyA, together(60, 1e9), 5, noon); got != 0 {
		t.Errorf("%d passed, want 0", got)
	}
}

func TestSweepReturnsMemoryOfWorkspaces(t *testing.T) {
	const n = 20_000
	l, c := ratelimit.New(), together(60, 100)
	before := heap()
	for i := range n {
		c.Workspace = "w" + strconv.Itoa(i)
		l.Take(keyA, c, 1, noon)
	}
	l.Drain(nil, nil)
	used := heap() - before
	l.Sweep(noon.Add(hour))
	if _, left := l.Len(); left != n {
		t.Errorf("%d workspaces left on the day of their use, want %d", left, n)
	}
	l.Sweep(noon.Add(day))
	left := heap() - before
	if used < 100*n || left > 5*n {
		t.Errorf("%d workspaces took %d bytes, and %d after they were swept", n, used, left)
	}
	runtime.KeepAlive(l)
}
