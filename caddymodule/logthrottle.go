package caddymodule

import (
	"sync"
	"time"

	"go.uber.org/zap"
)

// logThrottle bounds how often one kind of error is logged: what a broken disk does
// to every request must not fill the disk's neighbour.
type logThrottle struct {
	mu   sync.Mutex
	next time.Time // nothing is logged before
	held int       // what was not logged since
}

// logAgainAfter is the least time between two entries of one kind.
const logAgainAfter = 10 * time.Second

// error logs, or counts what the next entry tells of.
func (r *logThrottle) error(logger *zap.Logger, now time.Time, message string, fields ...zap.Field) {
	r.mu.Lock()
	defer r.mu.Unlock()
	// A clock set back must not silence it for as long.
	if now.Before(r.next) && r.next.Sub(now) <= logAgainAfter {
		r.held++
		return
	}
	if r.held > 0 {
		fields = append(fields, zap.Int("not_logged", r.held))
	}
	logger.Error(message, fields...)
	r.next, r.held = now.Add(logAgainAfter), 0
}
