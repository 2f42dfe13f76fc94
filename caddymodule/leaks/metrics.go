package leaks

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// What became of a request with tokens, as a label.
const (
	dealtWith = "dealt_with" // it had the genuine token of a key
	nothing   = "nothing"    // it had none
	refused   = "refused"    // nothing in it was looked at
)

// handedIn is made once per process, so that it goes on over reloads.
var handedIn = prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "caddy_keygate_handed_in_total",
	Help: "Requests that handed in tokens, by where: plaintext, revocation or github, and by outcome: dealt_with, nothing or refused.",
}, []string{"door", "outcome"})

func init() {
	for _, door := range []string{plaintextDoor, revocationDoor, githubDoor} {
		for _, outcome := range []string{dealtWith, nothing, refused} {
			handedIn.WithLabelValues(door, outcome)
		}
	}
}

func counted(door, outcome string) { handedIn.WithLabelValues(door, outcome).Inc() }

func registerMetrics(registry prometheus.Registerer) error {
	err := registry.Register(handedIn)
	if already := (prometheus.AlreadyRegisteredError{}); err != nil && !errors.As(err, &already) {
		return fmt.Errorf("registering metrics: %w", err)
	}
	return nil
}
