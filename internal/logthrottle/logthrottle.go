// Package logthrottle limits how often one kind of error is logged.
package logthrottle

import (
	"sync"
	"time"

	"go.uber.org/zap"
)

// Throttle limits how often one kind of error is logged, so that a broken
// disk, which fails every request, does not fill the log.
type Throttle struct {
	mu   sync.Mutex
	next time.Time // nothing is logged before this time
	held int       // how many errors were not logged since the last entry
}

// logAgainAfter is the minimum time between two entries of one kind.
const logAgainAfter = 10 * time.Second

// Error logs an error, or counts it for the next entry to report.
func (r *Throttle) Error(logger *zap.Logger, now time.Time, message string, fields ...zap.Field) {
	r.mu.Lock()
	defer r.mu.Unlock()
	// A clock that was set back must not silence the log for as long as that.
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
