package redistest

// Held are the calls through a gate that wait until somebody lets them pass.
type Held struct {
	// Waits gets each call that waits. The next one comes when it may pass.
	Waits <-chan []string

	waits   chan []string
	passes  chan struct{}
	ended   chan struct{}
	matches func(call []string) bool
}

// Hold makes each call wait that matches, from now until End.
func (g *Gate) Hold(matches func(call []string) bool) *Held {
	waits := make(chan []string)
	h := &Held{Waits: waits, waits: waits, passes: make(chan struct{}), ended: make(chan struct{}), matches: matches}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held = h
	return h
}

// Pass lets the call pass that Waits has told of.
func (h *Held) Pass() { h.passes <- struct{}{} }

// End lets all calls pass.
func (h *Held) End() { close(h.ended) }

// wait returns when a call may pass.
func (h *Held) wait(call []string) {
	if h == nil || !h.matches(call) {
		return
	}
	select {
	case h.waits <- call:
	case <-h.ended:
		return
	}
	select {
	case <-h.passes:
	case <-h.ended:
	}
}
