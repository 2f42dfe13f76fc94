package adminapi

import (
	"context"
	"maps"
	"net/http"
)

// Do answers a request as [Server.ServeHTTP] does, within an authority, to a
// caller in this process. It never panics to cut an answer off, and reports
// nothing to [Options.Failed].
//
// The paths are those of the admin API. For the caller there are only those
// that an authority may have: keys, scopes, explain, audit, policy, openapi.yaml
// and, with [AllWorkspaces], workspaces. An authority that [Authority.Check] or
// [Bounds.Normalize] refuses may do nothing.
func (s *Server) Do(a *Authority, r *http.Request) *Answer {
	answer := &Answer{header: make(http.Header)}
	own := *a
	if err := own.Check(); err != nil {
		answer.Status, answer.Err = http.StatusForbidden, err
		return answer
	}
	if err := own.Bounds.Normalize(); err != nil {
		answer.Status, answer.Err = http.StatusForbidden, err
		return answer
	}
	s.ServeHTTP(answer, r.WithContext(context.WithValue(r.Context(), authorityKey{}, &own)))
	return answer
}

// Answer is the answer to a request that [Server.Do] has done.
type Answer struct {
	Status int
	Body   any   // a response type of this package, [apikey.Record] or nil
	Err    error // why the request was refused or failed; Body is then nil

	header http.Header
}

// ETag returns that of the key in Body, or "".
func (a *Answer) ETag() string { return a.header.Get("ETag") }

// Send writes the answer to an HTTP client.
func (a *Answer) Send(w http.ResponseWriter) error {
	header := w.Header()
	maps.Copy(header, a.header)
	header.Set("Cache-Control", "no-store")
	if a.Err == nil {
		return writeBody(w, a.Status, a.Body)
	}
	Refuse(w, a.Status, a.Err)
	return nil
}

// Header implements [http.ResponseWriter] for the operations of the API, which
// give their answer as a value.
func (a *Answer) Header() http.Header { return a.header }

// Write implements [http.ResponseWriter]. No operation uses it.
func (a *Answer) Write(p []byte) (int, error) { return len(p), nil }

// WriteHeader implements [http.ResponseWriter]. No operation uses it.
func (a *Answer) WriteHeader(int) {}

type authorityKey struct{}

// authorityOf returns the authority that Do has given to a request, or nil for
// everything.
func authorityOf(r *http.Request) *Authority {
	a, _ := r.Context().Value(authorityKey{}).(*Authority)
	return a
}
