//go:build fleet

package plugin_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/internal/redis/redistest"
)

// noSuchToken has the right form and no key.
const noSuchToken = "patra_7Hk2Qp9aX3bC_0123456789ABCDEFGHIJKLMNOPQRSTUV2YI9hn"

// While the engine is away nothing is let through that is not allowed to be,
// nothing is called unknown that may be known, and no change is kept to be made
// later. When it is back, so is the gateway.
func TestFleetOutage(t *testing.T) {
	breaks := map[string]struct{ breakIt, mendIt func(*redistest.Server) }{
		"killed": {(*redistest.Server).Kill9, (*redistest.Server).Restart},
		"hung":   {(*redistest.Server).Stop, (*redistest.Server).Cont},
	}
	for name, b := range breaks {
		t.Run(name, func(t *testing.T) {
			sameDay()
			server := redistest.Start(t)
			closed := fleetStore(server.Addr)
			shared := fleetStore(server.Addr, "stale_max 10m", "on_outage share")
			open := fleetStore(server.Addr, "stale_max 10m", "on_outage open")
			fleet := startFleet(t, closed, shared, open)
			seen := fleet[0].token(t, "--scope", "posts:read", "--per-day", "30")
			unseen := fleet[0].token(t, "--scope", "posts:read")
			for _, g := range fleet {
				g.until(t, seen, http.StatusOK)
			}

			knowEachOther(t, server, len(fleet))
			b.breakIt(server)
			fleet[0].until(t, seen, http.StatusServiceUnavailable)
			denied(t, fleet[0].do(t, "GET", "/v1/posts", "", bearer(seen)), 503, "store_unavailable")
			if resp := fleet[0].do(t, "GET", "/v1/status", ""); resp.Status != http.StatusOK {
				t.Errorf("a public route: %d", resp.Status)
			}
			redistest.Until(t, "health to tell of it", func() bool {
				return fleet[0].adminDo(t, "GET", "/keygate/health", "").Status == http.StatusServiceUnavailable
			})
			for _, g := range fleet {
				for _, token := range []string{unseen, noSuchToken} {
					denied(t, g.do(t, "GET", "/v1/posts", "", bearer(token)), 503, "store_unavailable")
				}
				if r := g.cli(t, "keygate", "create", "--workspace", "acme", "--name", "queued", "--scope", "posts:read"); r.Code != 1 || r.Stdout != "" {
					t.Errorf("a key was created: %s%s", r.Stdout, r.Stderr)
				}
			}
			site := strings.Replace(siteWith(), bboltStore, closed, 1)
			if r := fleet[0].reload(t, strings.Replace(site, "GET /v1/status", "GET /v1/state", 1)); r.Code != 0 {
				t.Errorf("a reload: %s", r.Stderr)
			} else if resp := fleet[0].do(t, "GET", "/v1/state", ""); resp.Status != http.StatusOK {
				t.Errorf("a route of the config that was loaded: %d", resp.Status)
			}
			passed := 0
			for range 30 {
				switch status := fleet[1].status(t, seen); status {
				case http.StatusOK:
					passed++
				case http.StatusTooManyRequests:
				default:
					t.Errorf("with a share of the limits: %d", status)
				}
			}
			if passed != 10 { // a third of 30
				t.Errorf("a gateway of three passed %d of 30 a day", passed)
			}
			for range 40 {
				if status := fleet[2].status(t, seen); status != http.StatusOK {
					t.Errorf("without limits: %d", status)
				}
			}

			b.mendIt(server)
			for _, g := range fleet {
				g.until(t, unseen, http.StatusOK)
				g.until(t, noSuchToken, http.StatusUnauthorized)
			}
			if list := fleet[0].cli(t, "keygate", "list"); strings.Contains(list.Stdout, "queued") {
				t.Errorf("a change was kept to be made later:\n%s", list.Stdout)
			}
		})
	}
}

// knowEachOther waits until each of a number of gateways has heard of all.
func knowEachOther(t *testing.T, server *redistest.Server, n int) {
	t.Helper()
	const gateways = "{keygate}:gateways"
	redistest.Until(t, "all gateways to be there", func() bool { return server.Do("ZCARD", gateways) == strconv.Itoa(n) })
	now, _, _ := strings.Cut(server.Do("TIME"), "\n")
	redistest.Until(t, "each of them to have asked since", func() bool {
		return server.Do("ZCOUNT", gateways, "("+now, "+inf") == strconv.Itoa(n)
	})
}

// A gateway that is cut off, and does not learn of it, stops to accept what may
// be revoked.
func TestFleetGatewayIsCutOff(t *testing.T) {
	server := redistest.Start(t)
	proxy := redistest.NewProxy(t, server.Addr)
	fleet := startFleet(t, fleetStore(server.Addr), fleetStore(proxy.Addr))
	a, cut := fleet[0], fleet[1]
	k, token := a.createKey(t, "--scope", "posts:read")
	cut.until(t, token, http.StatusOK)
	proxy.Cut()
	if r := a.cli(t, "keygate", "revoke", k.ID); r.Code != 0 {
		t.Fatal(r.Stderr)
	}
	t.Logf("a revoked key was accepted for %s", cut.until(t, token, http.StatusServiceUnavailable))
	proxy.Mend()
	cut.until(t, token, http.StatusUnauthorized)
	cut.until(t, a.token(t, "--scope", "posts:read"), http.StatusOK)
}

func TestFleetEngineForgets(t *testing.T) {
	fleet, server := startThree(t)
	token := fleet[0].token(t, "--scope", "posts:read")
	for _, g := range fleet {
		g.until(t, token, http.StatusOK)
	}
	server.Do("SCRIPT", "FLUSH")
	for id := range strings.FieldsSeq(server.Do("CLIENT", "LIST", "TYPE", "NORMAL")) {
		if id, ok := strings.CutPrefix(id, "id="); ok {
			_, _ = server.Try("CLIENT", "KILL", "ID", id) // one of them asks
		}
	}
	for _, g := range fleet {
		g.until(t, token, http.StatusOK)
	}

	// An engine without its data knows no key, and so knows nothing of any.
	server.Do("FLUSHALL")
	for _, g := range fleet {
		g.until(t, token, http.StatusServiceUnavailable)
		denied(t, g.do(t, "GET", "/v1/posts", "", bearer(noSuchToken)), 503, "store_unavailable")
	}

	// One that starts begins anew, and does not take the others with it.
	begun := fleet[2]
	begun.stop(t)
	begun.start(t)
	begun.until(t, token, http.StatusUnauthorized)
	begun.until(t, begun.token(t, "--scope", "posts:read"), http.StatusOK)
	for _, g := range fleet[:2] {
		denied(t, g.do(t, "GET", "/v1/posts", "", bearer(token)), 503, "store_unavailable")
	}
}
