package adminapi

import (
	"net/http"
	"time"
)

// A client that reads a stream may stop for stalledFor between two pieces. In all it
// may take stalledFor longer than the stream takes at the rate slowest, in bytes a
// second. A slow stream harms others: while a backup runs, the store cannot use freed
// pages again, so that its file grows with each change.
const (
	stalledFor = 30 * time.Second
	slowest    = 64 << 10
)

// pacedWriter breaks the connection of a client that does not read, or too slowly.
type pacedWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	stalled time.Duration
	slowest int64
	begun   time.Time
	written int64
}

func newPacedWriter(w http.ResponseWriter, stalled time.Duration, slowest int64) *pacedWriter {
	return &pacedWriter{w: w, control: http.NewResponseController(w), stalled: stalled, slowest: slowest, begun: time.Now()}
}

func (p *pacedWriter) Write(b []byte) (int, error) {
	deadline := time.Now().Add(p.stalled)
	if last := p.begun.Add(p.stalled + time.Duration(float64(p.written)/float64(p.slowest)*float64(time.Second))); last.Before(deadline) {
		deadline = last
	}
	_ = p.control.SetWriteDeadline(deadline) // not supported offline
	n, err := p.w.Write(b)
	p.written += int64(n)
	return n, err
}
