package redistest

// Held are the calls through a gate that wait until somebody lets them pass.
type Held struct {
	Waits chan struct{} // gets a value for each call that waits; then it may Pass

	passes  chan struct{}
	ended   chan struct{}
	matches func(call []string) bool
}

// Hold makes each call wait that matches, from now until End.
func (g *Gate) Hold(matches func(call []string) bool) *Held {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held = &Held{Waits: make(chan struct{}), passes: make(chan struct{}), ended: make(chan struct{}), matches: matches}
	return g.held
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
	case h.Waits <- struct{}{}:
	case <-h.ended:
		return
	}
	select {
	case <-h.passes:
	case <-h.ended:
	}
}
