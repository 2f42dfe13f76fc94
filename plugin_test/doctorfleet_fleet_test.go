//go:build fleet && linux

package plugin_test

import (
	"strings"
	"testing"

	"github.com/socialpatra/keygate/internal/redis/redistest"
)

// Of a gateway without a file the doctor says what the engine is like, and leaves
// out what only a file has.
func TestFleetDoctor(t *testing.T) {
	server := redistest.Start(t)
	g := startFleet(t, fleetStore(server.Addr, "stale_max 1h", patient))[0]
	g.createKey(t, "--scope", "posts:read")
	e := g.doctor(t)
	for _, check := range []string{"store", "owner", "lock", "disk"} {
		if e[check] != nil {
			t.Errorf("%s is %v", check, e[check])
		}
	}
	e.says(t, "health", "ok")
	e.says(t, "clock", "ok", "and the engine's")
	e.says(t, "ports", "ok", "alone listens")
	e.says(t, "config", "ok")

	server.Kill9()
	redistest.Until(t, "a warning that the engine is away", func() bool {
		return strings.Contains(g.cli(t, "keygate", "health").Stderr, "warning")
	})
	e = g.doctor(t)
	e.says(t, "health", "fail", "requests are decided", "restart no gateway")
	e.says(t, "clock", "skipped")
}
