//go:build fleet

package plugin_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/socialpatra/keygate/internal/redis/redistest"
)

// A rotation grants nothing across a fleet either, whichever gateway rotates,
// deletes, restarts or is asked.
func TestFleetRotationsShareOneQuota(t *testing.T) {
	sameDay()
	const quota = 20
	store := fleetStore(redistest.Start(t).Addr, patient)
	fleet := startFleet(t, store, store)
	c := fleet[0].startChain(t, "--per-day", fmt.Sprint(quota))
	passed := 0
	for round := range 10 {
		maker, other := fleet[round%2], fleet[(round+1)%2]
		passed += c.use(t, maker)
		c.rotate(t, maker, []string{"1h", "0s"}[round%2])
		newest := c.tokens[len(c.tokens)-1]
		redistest.Until(t, "the new key at the other gateway", func() bool {
			status := other.status(t, newest)
			if status == http.StatusOK {
				passed++
			}
			return status != http.StatusUnauthorized
		})
		switch round {
		case 2:
			c.remove(t, other, 0)
		case 4:
			other.stop(t)
			other.start(t)
		case 5:
			c.remove(t, maker, 1)
		case 7:
			maker.kill9(t)
			maker.start(t)
		}
	}
	for n := range 2 * quota {
		passed += c.use(t, fleet[n%2])
	}
	if passed != quota {
		t.Errorf("%d requests passed with a key and its ten successors, of a quota of %d", passed, quota)
	}
	for _, g := range fleet {
		denied(t, g.get(t, c.tokens[len(c.tokens)-1]), 429, "quota_exceeded")
	}
	if r := fleet[0].cli(t, "keygate", "check"); r.Code != 0 {
		t.Errorf("check: %s%s", r.Stdout, r.Stderr)
	}
}

// startTwo starts two gateways, and a key with two successors that both know.
func startTwo(t testing.TB, quota int, options ...string) ([]*gateway, *redistest.Server, *chain) {
	t.Helper()
	server := redistest.Start(t)
	store := fleetStore(server.Addr, append([]string{patient}, options...)...)
	fleet := startFleet(t, store, store)
	c := fleet[0].startChain(t, "--per-day", fmt.Sprint(quota), "--per-minute", "1000")
	c.rotate(t, fleet[0], "1h")
	c.rotate(t, fleet[0], "1h")
	for _, g := range fleet {
		for _, token := range c.tokens {
			g.until(t, token, http.StatusOK)
		}
	}
	return fleet, server, c
}

// Gateways that take batches pass no more with many keys of one account.
func TestFleetRotationsShareBatches(t *testing.T) {
	sameDay()
	const quota = 60
	fleet, _, c := startTwo(t, quota, "limits leased")
	passed := 6
	for n := range quota {
		passed += c.use(t, fleet[n%2])
	}
	// What was lent to one gateway and not used there is lost to both.
	if passed > quota || passed < quota/2 {
		t.Errorf("%d requests passed with three keys, of a quota of %d", passed, quota)
	}
}

// Nor do they while the engine is away, when each has its share.
func TestFleetRotationsShareAShare(t *testing.T) {
	sameDay()
	const quota = 60
	fleet, server, c := startTwo(t, quota, "on_outage share", "stale_max 10m") // longer than any machine takes for what follows
	knowEachOther(t, server, len(fleet))
	server.Stop()
	defer server.Cont()
	passed := 0
	for n := range quota {
		passed += c.use(t, fleet[n%2])
	}
	if passed != quota {
		t.Errorf("while the engine is away, %d requests passed with three keys, of two shares of a quota of %d", passed, quota)
	}
}
