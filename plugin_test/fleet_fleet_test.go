//go:build fleet

package plugin_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/socialpatra/keygate/internal/redis/redistest"
)

// fleetStore is the store of a fleet's gateways, with more lines in it.
func fleetStore(addrs string, options ...string) string {
	return "store redis " + addrs + " {\n" + strings.Join(options, "\n") + "\n}"
}

// startFleet starts gateways with these stores, which are meant to be of one
// engine, in front of one backend.
func startFleet(t testing.TB, stores ...string) []*gateway {
	t.Helper()
	b := startBackend(t)
	fleet := make([]*gateway, len(stores))
	for i, store := range stores {
		fleet[i] = startCaddy(t, strings.Replace(siteWith(), bboltStore, store, 1), "BACKEND="+b.Addr)
	}
	return fleet
}

// patient keeps a machine that is busy with other tests from looking like an
// engine that is away.
const patient = "timeout 5s\nheartbeat 10s"

func startThree(t testing.TB) ([]*gateway, *redistest.Server) {
	t.Helper()
	server := redistest.Start(t)
	store := fleetStore(server.Addr, patient)
	return startFleet(t, store, store, store), server
}

// status returns what a gateway answers to a key. It is 0 where no answer comes.
func (g *gateway) status(t testing.TB, token string) int {
	t.Helper()
	return g.do(t, "GET", "/v1/posts", "", bearer(token)).Status
}

// until waits for an answer.
func (g *gateway) until(t testing.TB, token string, status int) time.Duration {
	t.Helper()
	start := time.Now()
	redistest.Until(t, fmt.Sprintf("an answer %d of %s", status, g.URL), func() bool { return g.status(t, token) == status })
	return time.Since(start)
}

// Three gateways offered three times what a key may have pass what one would.
func TestFleetPassesWhatOneGatewayWould(t *testing.T) {
	sameDay()
	fleet, _ := startThree(t)
	const quota = 60
	token := fleet[0].token(t, "--scope", "posts:read", "--per-day", fmt.Sprint(quota), "--per-minute", "1000000")
	var passed, limited atomic.Int64
	var senders sync.WaitGroup
	for _, g := range fleet {
		for range 4 {
			senders.Go(func() {
				for range quota / 4 {
					switch status := g.status(t, token); status {
					case http.StatusOK:
						passed.Add(1)
					case http.StatusTooManyRequests:
						limited.Add(1)
					default:
						t.Errorf("answered %d", status)
					}
				}
			})
		}
	}
	senders.Wait()
	if passed.Load() != quota || limited.Load() != 2*quota {
		t.Errorf("%d passed and %d were limited, of a quota of %d", passed.Load(), limited.Load(), quota)
	}

	// What was used at all of them is one figure at each.
	for _, g := range fleet {
		redistest.Until(t, "the use of all gateways at "+g.Admin, func() bool {
			list := g.cli(t, "keygate", "list", "--json").Stdout
			id := list[strings.Index(list, `"id":"`)+6:][:12]
			usage := g.cli(t, "keygate", "usage", id, "--json").Stdout
			return strings.Contains(usage, fmt.Sprintf(`"allowed":%d,"limited":%d`, quota, 2*quota))
		})
	}
}

// A revocation at one gateway is in force at the others under load, and the
// change of any other setting is.
func TestFleetHearsOfChanges(t *testing.T) {
	fleet, _ := startThree(t)
	a, others := fleet[0], fleet[1:]
	for range 5 {
		k, token := a.createKey(t, "--scope", "posts:read", "--per-minute", "1000000", "--per-day", "1000000")
		var ended sync.WaitGroup
		var revoked atomic.Bool
		for _, g := range others {
			g.until(t, token, http.StatusOK)
			ended.Go(func() {
				for last := false; ; {
					acked := revoked.Load()
					status := g.status(t, token)
					switch {
					case status == http.StatusUnauthorized && last:
						return
					case status == http.StatusUnauthorized:
						last = true // and stays so
					case last, status != http.StatusOK:
						t.Errorf("answered %d, revoked: %v", status, acked)
						return
					}
				}
			})
		}
		if r := a.cli(t, "keygate", "revoke", k.ID); r.Code != 0 {
			t.Fatal(r.Stderr)
		}
		revoked.Store(true)
		ended.Wait()
	}

	k, token := a.createKey(t, "--scope", "feeds:read", "--allow-unknown-scope")
	for _, g := range others {
		denied(t, g.do(t, "GET", "/v1/posts", "", bearer(token)), 403, "insufficient_scope")
	}
	if r := others[0].cli(t, "keygate", "update", k.ID, "--scope", "posts:read"); r.Code != 0 {
		t.Fatal(r.Stderr)
	}
	for _, g := range fleet {
		g.until(t, token, http.StatusOK)
	}
	if r := others[1].cli(t, "keygate", "delete", k.ID, "--yes"); r.Code != 0 {
		t.Fatal(r.Stderr)
	}
	for _, g := range fleet {
		g.until(t, token, http.StatusUnauthorized)
	}
}

// What was acknowledged outlives the gateway that did it.
func TestFleetGatewayIsKilled(t *testing.T) {
	fleet, _ := startThree(t)
	a, b := fleet[0], fleet[1]
	kept, token := a.createKey(t, "--scope", "posts:read")
	gone, lost := a.createKey(t, "--scope", "posts:read")
	b.until(t, lost, http.StatusOK)
	if r := a.cli(t, "keygate", "revoke", gone.ID); r.Code != 0 {
		t.Fatal(r.Stderr)
	}
	a.kill9(t)
	b.until(t, lost, http.StatusUnauthorized)
	if status := b.status(t, token); status != http.StatusOK {
		t.Errorf("a key that was created before the kill: %d", status)
	}
	if r := b.cli(t, "keygate", "check"); r.Code != 0 {
		t.Errorf("check: %s%s", r.Stdout, r.Stderr)
	}
	a.start(t)
	if list := a.cli(t, "keygate", "list"); !strings.Contains(list.Stdout, kept.ID) || !strings.Contains(list.Stdout, "revoked") {
		t.Errorf("after a restart there are\n%s", list.Stdout)
	}
}
