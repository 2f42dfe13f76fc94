package webhook

import "sync/atomic"

// Outcomes of one attempt to deliver a message.
const (
	Delivered = "delivered" // any 2xx
	Refused   = "refused"   // any other status
	TimedOut  = "timed_out" // no answer in time
	Failed    = "failed"    // no connection, or no answer that is one
)

// Outcomes are all of them.
func Outcomes() []string { return []string{Delivered, Refused, TimedOut, Failed} }

// Counts are of one process.
type Counts struct {
	delivered, refused, timedOut, failed, dropped atomic.Int64
}

func (c *Counts) of(outcome string) *atomic.Int64 {
	return map[string]*atomic.Int64{Delivered: &c.delivered, Refused: &c.refused, TimedOut: &c.timedOut, Failed: &c.failed}[outcome]
}

// Attempts returns how many attempts had an outcome.
func (c *Counts) Attempts(outcome string) int64 { return c.of(outcome).Load() }

// Dropped returns how many messages were dropped without having been delivered.
func (c *Counts) Dropped() int64 { return c.dropped.Load() }
