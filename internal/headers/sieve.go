package headers

import (
	"io"
	"net/http"
	"slices"
)

// Sieve takes a few things out of a request and leaves the rest exactly as it
// came.
type Sieve struct {
	Claims   func(name string) bool  // fields that claim an identity; they are gone for good
	Carries  func(name string) bool  // fields whose values may be credentials
	IsSecret func(value string) bool // values of those that nobody behind may see
}

// Apply changes the request, and keeps in taken what can be given back.
func (s *Sieve) Apply(r *http.Request, taken *Taken) {
	taken.Trailer = r.Trailer
	for name, values := range r.Header {
		switch {
		case s.Claims(name):
			delete(r.Header, name)
		case s.Carries(name) && slices.ContainsFunc(values, s.IsSecret):
			taken.Take(r.Header, name)
			if rest := slices.DeleteFunc(slices.Clone(values), s.IsSecret); len(rest) > 0 {
				r.Header[name] = rest
			}
		}
	}
	if r.Trailer != nil && r.Body != nil {
		s.sift(r.Trailer)
		r.Body = &siftedBody{r.Body, s, r.Trailer}
	}
}

// sift removes what no trailer may have.
func (s *Sieve) sift(trailer http.Header) {
	for name, values := range trailer {
		if s.Claims(name) || s.Carries(name) && slices.ContainsFunc(values, s.IsSecret) {
			delete(trailer, name)
		}
	}
}

// siftedBody is the body of a request with a trailer. At its end the server adds
// the fields of the trailer to the map that all copies of the request share, also
// those that were not announced.
type siftedBody struct {
	io.ReadCloser
	sieve   *Sieve
	trailer http.Header
}

func (b *siftedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.sieve.sift(b.trailer)
	}
	return n, err
}
