//go:build fleet

package plugin_test

import (
	"testing"

	"github.com/socialpatra/keygate/internal/redis/redistest"
)

// What lasts at one gateway of a fleet ends when another one ends the key.
func TestWhatLastsInAFleetEndsWithItsKey(t *testing.T) {
	store := fleetStore(redistest.Start(t).Addr, patient)
	g, other := startLasting(t, store), startLasting(t, store)
	g.endKeys(t, other.gateway)
}
