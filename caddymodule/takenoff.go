package caddymodule

import "net/http"

// takenOff has the header fields that were removed from a request while the
// handlers behind Keygate use it. Copies of a request in Caddy share one header,
// so the handlers around Keygate would miss the fields too: a cache, for example,
// looks at Authorization when the answer arrives.
type takenOff struct {
	few  [4]headerField // enough for most requests
	n    int            // number of fields in few
	more []headerField

	trailer http.Header
}

type headerField struct {
	name   string
	values []string
}

// take removes a field and keeps it. A nil *takenOff only removes it.
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

// giveBack restores all removed fields.
func (t *takenOff) giveBack(r *http.Request) {
	for _, f := range t.few[:t.n] {
		r.Header[f.name] = f.values
	}
	for _, f := range t.more {
		r.Header[f.name] = f.values
	}
	r.Trailer = t.trailer
}
