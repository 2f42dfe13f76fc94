// Package redis connects Keygate to Redis 6 or later, or Valkey: one server, a
// Sentinel set or a Cluster, which this project calls an engine. It has only the
// connection. What is stored on the engine is the concern of the packages that
// use it: redisstore for keys, and ratelimit/shared for limits.
//
//   - A [Conn] sends commands. No call takes longer than Config.Timeout. None is
//     queued for later, and none is sent twice: a call that may have been carried
//     out is never repeated. While the engine is known to be away, calls fail at
//     once.
//   - A [Script] is a Lua script, which the engine runs as one step.
//   - A [Tracking] reads values that the caller caches, and reports every change to
//     them, through the engine's client-side caching (CLIENT TRACKING).
//
// Cached values may be used only while no change can have been missed. A
// heartbeat therefore proves at short intervals that the engine answers, on the
// connection that reports changes. If that connection is lost, a new [Generation]
// begins, and values from older ones must be read again. Config.StaleMax is how
// much longer cached values may be used once the proofs have stopped.
//
// [Dial] refuses an engine that is too old or cannot report changes, and warns
// about one that is not configured to keep data safely. Errors about an engine
// that does not answer wrap [ErrUnavailable]. No error contains the password.
package redis

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"regexp"
	"time"
)

// What a Config has where it says nothing.
const (
	DefaultPrefix    = "keygate"
	DefaultTimeout   = 250 * time.Millisecond
	DefaultHeartbeat = 250 * time.Millisecond
)

// Config says how to reach an engine.
type Config struct {
	Addresses []string    // host:port; several for a Cluster (any of its nodes) or Sentinel (the sentinels)
	Master    string      // name of the Sentinel master set; "": no Sentinel
	Username  string      // "": the default user
	Password  string      // "": none
	TLS       *tls.Config // nil: plain TCP

	SentinelUsername, SentinelPassword string // at the sentinels; "": none

	// Prefix begins the name of every key: letters, digits and ._- , at most 64.
	// "": DefaultPrefix. Gateways with the same prefix are one fleet.
	Prefix string

	// Timeout is how long one call may take, connecting and writing included:
	// 10 ms to 10 s. 0: DefaultTimeout.
	Timeout time.Duration

	// Heartbeat is how often the engine has to prove that it is there: 50 ms to
	// 10 s. 0: DefaultHeartbeat. A gateway that is cut off notices within two.
	Heartbeat time.Duration

	// StaleMax is how much longer values that are cached already may be used once the
	// engine's heartbeats have stopped. 0: not at all.
	StaleMax time.Duration
}

var prefixForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// Check returns what is wrong with a Config, if anything. It connects to nothing.
func (c Config) Check() error {
	_, err := c.withDefaults()
	return err
}

// withDefaults fills in what is not given, and refuses what is out of range.
func (c Config) withDefaults() (Config, error) {
	if c.Prefix == "" {
		c.Prefix = DefaultPrefix
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = DefaultHeartbeat
	}
	if len(c.Addresses) == 0 {
		return c, errors.New("no address of the engine is given: give at least one host:port")
	}
	for _, address := range c.Addresses {
		if _, port, err := net.SplitHostPort(address); err != nil || port == "" {
			return c, fmt.Errorf("the address %q is not host:port", address)
		}
	}
	if !prefixForm.MatchString(c.Prefix) {
		return c, fmt.Errorf("the prefix %q is not 1 to 64 letters, digits, dots, underscores and hyphens", c.Prefix)
	}
	if err := within("timeout", c.Timeout, 10*time.Millisecond, 10*time.Second); err != nil {
		return c, err
	}
	if err := within("heartbeat", c.Heartbeat, 50*time.Millisecond, 10*time.Second); err != nil {
		return c, err
	}
	if c.StaleMax < 0 {
		return c, fmt.Errorf("stale_max %s is negative", c.StaleMax)
	}
	return c, nil
}

func within(name string, d, least, most time.Duration) error {
	if d < least || d > most {
		return fmt.Errorf("%s %s is not between %s and %s", name, d, least, most)
	}
	return nil
}
