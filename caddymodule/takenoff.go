package caddymodule

import "net/http"

// takenOff are header fields that a request is without while the handlers behind
// Keygate have it. Requests that Caddy copies share one header, so that those
// around Keygate would miss them too: a cache, for one, goes by Authorization
// when the answer is there.
type takenOff struct {
	few  [4]headerField // room for those of most requests
	n    int            // of few
	more []headerField

	trailer http.Header
}

type headerField struct {
	name   string
	values []string
}

// take removes a field, and keeps it; a nil *takenOff forgets it.
func (t *takenOff) take(h http.Header, name string) {
	switch {
	case t == nil:
	case t.n < len(t.few):
		t.few[t.n] = headerField{name, h[name]}
		t.n++
	default:
		t.more = append(t.more, headerField{name, h[name]})
	}
	delete(h, name)
}

// giveBack puts all of them where they were.
func (t *takenOff) giveBack(r *http.Request) {
	for _, f := range t.few[:t.n] {
		r.Header[f.name] = f.values
	}
	for _, f := range t.more {
		r.Header[f.name] = f.values
	}
	r.Trailer = t.trailer
}
