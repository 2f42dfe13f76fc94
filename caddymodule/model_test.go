package caddymodule

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// TestModel runs gateways against a model, each with another seed: random
// changes, requests, waiting, clocks that are set, crashes and restarts. Every
// answer must be the model's. KEYGATE_LONG is for how long it goes on.
func TestModel(t *testing.T) {
	long, _ := time.ParseDuration(os.Getenv("KEYGATE_LONG"))
	end := time.Now().Add(long)
	for seed := uint64(0); seed < 6 || time.Now().Before(end); seed++ {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, seed)
			defer w.close()
			for step := range 250 {
				w.step()
				if t.Failed() {
					t.Fatalf("seed %d, step %d: %s", seed, step, w.last)
				}
			}
		})
	}
}

// modelKey is what the model knows of a key.
type modelKey struct {
	id        string
	token     string
	workspace string
	scope     string // its only one
	status    apikey.Status
	expires   time.Time // zero: never
	limits    apikey.Limits
	replaced  bool

	use modelUse
}

// modelUse is what has been charged to a key or to a workspace.
type modelUse struct {
	bucket  modelBucket
	stopped modelBucket // at the last graceful stop, with which a crash goes on
	day     apikey.Day
	today   uint64 // charged on the day

	charges []modelCharge

	passed, most uint64 // since the clock was first set back: in all, and the highest quota
}

type modelCharge struct {
	at   time.Time // in the time of tickers, which nobody sets
	cost uint64
}

// modelBucket is a minute bucket as a sum of what flowed in and out.
type modelBucket struct {
	full   bool
	tokens float64
	at     time.Time // when it held them, on the clock
}

// fresh is use of nothing.
func fresh() modelUse {
	return modelUse{bucket: modelBucket{full: true}, stopped: modelBucket{full: true}}
}

// left returns what the bucket holds.
func (b *modelBucket) left(perMinute, burst uint32, now time.Time) float64 {
	if b.full {
		return float64(burst)
	}
	return min(float64(burst), b.tokens+now.Sub(b.at).Seconds()*float64(perMinute)/60)
}

func (b *modelBucket) set(tokens float64, now time.Time) {
	*b = modelBucket{tokens: tokens, at: now}
}

// near is how far from a whole number of tokens nobody can tell what happens.
const near = 1e-6

// enough says whether tokens pay for cost, and whether that is certain.
func enough(tokens float64, cost uint64) (yes, certain bool) {
	return tokens >= float64(cost), math.Abs(tokens-float64(cost)) > near
}

// chargedToday returns what counts today.
func (u *modelUse) chargedToday(today apikey.Day) uint64 {
	if u.day != today {
		u.day, u.today, u.charges = today, 0, nil
	}
	return u.today
}

func (u *modelUse) charge(cost uint64, tick time.Time) {
	u.today += cost
	u.charges = append(u.charges, modelCharge{tick, cost})
}

// crash forgets what was charged since the last save.
func (u *modelUse) crash(saved time.Time) {
	u.bucket = u.stopped
	kept := u.charges[:0]
	for _, c := range u.charges {
		if c.at.Before(saved) {
			kept = append(kept, c)
		} else {
			u.today -= c.cost
			u.passed -= min(u.passed, c.cost)
		}
	}
	u.charges = kept
}

// modelRoutes are what the world's handler serves, by the scope that opens it.
var modelRoutes = []Route{
	{Methods: []string{"GET"}, Path: "/posts", Scopes: []string{"posts:read"}},
	{Methods: []string{"GET"}, Path: "/media", Scopes: []string{"media:upload"}, Cost: 3},
}

// choose returns one of several things at random.
func choose[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func (w *world) say(format string, args ...any) { w.last = fmt.Sprintf(format, args...) }
