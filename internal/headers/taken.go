package headers

import "net/http"

// Taken has the header fields that were removed from a request while the
// handlers behind Keygate use it. Copies of a request in Caddy share one header,
// so the handlers around Keygate would miss the fields too: a cache, for example,
// looks at Authorization when the answer arrives.
type Taken struct {
	few  [3]headerField // enough for most requests
	n    int            // number of fields in few
	more []headerField

	Trailer http.Header
}

type headerField struct {
	name   string
	values []string
}

// Take removes a field and keeps it. A nil *Taken only removes it.
func (t *Taken) Take(h http.Header, name string) {
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

// GiveBack restores all removed fields.
func (t *Taken) GiveBack(r *http.Request) {
	for _, f := range t.few[:t.n] {
		r.Header[f.name] = f.values
	}
	for _, f := range t.more {
		r.Header[f.name] = f.values
	}
	r.Trailer = t.Trailer
}
