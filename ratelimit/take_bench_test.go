package ratelimit_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/ratelimit"
)

// endless is a limit that no benchmark uses up.
const endless = 4_000_000_000

// BenchmarkTakeKeys charges one key again and again, or all keys in random
// order: alone, and with a workspace that ten of them share, or all.
func BenchmarkTakeKeys(b *testing.B) {
	for _, tt := range []struct {
		name            string
		keys, workspace int // workspace is how many keys share one; 0: there is none
	}{
		{"hot_key/alone", 1, 0},
		{"hot_key/workspace", 1, 1},
		{"1000_keys/alone", 1_000, 0},
		{"1000_keys/workspaces_of_ten", 1_000, 10},
		{"1000_keys/one_workspace", 1_000, 1_000},
		{"100000_keys/alone", 100_000, 0},
		{"100000_keys/workspaces_of_ten", 100_000, 10},
		{"1000000_keys/alone", 1_000_000, 0},
		{"1000000_keys/workspaces_of_ten", 1_000_000, 10},
	} {
		if testing.Short() && tt.keys > 100_000 {
			continue // to fill it takes longer than what is measured
		}
		b.Run(tt.name, func(b *testing.B) {
			type user struct {
				id   apikey.ID
				caps ratelimit.Caps
			}
			l, users := ratelimit.New(), make([]user, tt.keys)
			for i, n := range rand.New(rand.NewPCG(1, 2)).Perm(tt.keys) {
				u := user{key(n), limits(endless, endless, endless)}
				if tt.workspace != 0 {
					u.caps.Workspace = fmt.Sprintf("workspace%d", n/tt.workspace)
					u.caps.WorkspaceLimits = apikey.WorkspaceLimits{PerMinute: endless, PerDay: endless}
				}
				users[i] = u
				l.Take(u.id, u.caps, 1, noon)
			}
			// Memory in the order of first use would be read ahead.
			rand.New(rand.NewPCG(3, 4)).Shuffle(tt.keys, func(i, j int) { users[i], users[j] = users[j], users[i] })
			b.Run("serial", func(b *testing.B) {
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					if !l.Take(users[i].id, users[i].caps, 1, noon).Allowed {
						b.Fatal("refused")
					}
					if i++; i == tt.keys {
						i = 0
					}
				}
			})
			b.Run("parallel", func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					i := rand.IntN(tt.keys)
					for pb.Next() {
						if !l.Take(users[i].id, users[i].caps, 1, noon).Allowed {
							b.Error("refused")
							return
						}
						if i++; i == tt.keys {
							i = 0
						}
					}
				})
			})
		})
	}
}

// refusals are calls that the limits refuse, and what is charged to nobody.
func refusals(t testing.TB) map[string]func() {
	t.Helper()
	l := ratelimit.New()
	refused := func(id apikey.ID, c ratelimit.Caps) func() {
		l.Take(id, c, 1, noon)
		if l.Take(id, c, 1, noon).Allowed {
			t.Fatalf("%+v allow a second request", c)
		}
		return func() { l.Take(id, c, 1, noon) }
	}
	shared := func(workspace string, perMinute, perDay uint32) ratelimit.Caps {
		c := limits(endless, endless, endless)
		c.Workspace, c.WorkspaceLimits = workspace, apikey.WorkspaceLimits{PerMinute: perMinute, PerDay: perDay}
		return c
	}
	plenty := shared("plenty", endless, endless)
	l.Take(key(5), plenty, 1, noon)
	return map[string]func(){
		"by_minute":              refused(key(1), limits(1, 1, endless)),
		"by_day":                 refused(key(2), limits(endless, endless, 1)),
		"by_minute_of_workspace": refused(key(3), shared("minute", 1, endless)),
		"by_day_of_workspace":    refused(key(4), shared("day", endless, 1)),
		"before_the_limits":      func() { l.Deny(key(5), plenty, noon) },
	}
}

func BenchmarkTakeRefused(b *testing.B) {
	for name, call := range refusals(b) {
		b.Run(name+"/serial", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				call()
			}
		})
		b.Run(name+"/parallel", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					call()
				}
			})
		})
	}
}

func TestRefusalsAllocateNothing(t *testing.T) {
	for name, call := range refusals(t) {
		if n := testing.AllocsPerRun(100, call); n != 0 {
			t.Errorf("refused %s: %v allocations", name, n)
		}
	}
}
