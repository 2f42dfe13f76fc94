package adminapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// This file writes answers: bodies, and errors with their statuses.

// ReplicatedHeader is set on the answer to a change if the store waits for
// replicas: true if enough of them had the change in time, otherwise false. The
// change takes effect either way. If it is false, a failover may undo the change.
const ReplicatedHeader = "Keygate-Replicated"

// write writes a successful answer. If it returns an error other than a
// *BrokenStreamError, an error can still be sent as the answer.
func (c *call) write(w http.ResponseWriter, status int, body any) error {
	w.Header().Set("Cache-Control", "no-store")
	if n := c.replication; n.Wanted > 0 {
		w.Header().Set(ReplicatedHeader, strconv.FormatBool(n.Have >= n.Wanted))
	}
	if tagged, ok := body.(tagged); ok {
		w.Header().Set("ETag", tagged.etag)
		body = tagged.body
	}
	if answer, ok := w.(*Answer); ok {
		answer.Status, answer.Body = status, body
		return nil
	}
	return writeBody(w, status, body)
}

func writeBody(w http.ResponseWriter, status int, body any) error {
	if body == nil {
		w.WriteHeader(status)
		return nil
	}
	if stream, ok := body.(stream); ok {
		return stream.serve(w)
	}
	if text, ok := body.(yaml); ok {
		w.Header().Set("Content-Type", "application/yaml")
		w.WriteHeader(status)
		if _, err := w.Write(text); err != nil {
			return &BrokenStreamError{err}
		}
		return nil
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		return &BrokenStreamError{err}
	}
	return nil
}

// fail answers with an error. If the answer has begun, it cuts the connection, so
// that the answer does not look complete.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	status := statusOf(err)
	if answer, ok := w.(*Answer); ok {
		answer.Status, answer.Err = status, err
		return
	}
	s.failed(r, status, err)
	if broken := (*BrokenStreamError)(nil); errors.As(err, &broken) {
		panic(http.ErrAbortHandler)
	}
	Refuse(w, status, err)
}

// Refuse answers {"error":"…"}, as Caddy's admin endpoint does.
func Refuse(w http.ResponseWriter, status int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": err.Error()}) // fails only if nobody reads the answer
}

// errNoRoute refuses a path that the API does not have.
var errNoRoute = errors.New("no such resource; openapi.yaml lists those that there are")

// methodError refuses a method that a resource does not have.
type methodError struct{ method, allow string }

func (e *methodError) Error() string { return fmt.Sprintf("%s is not served here", e.method) }

func statusOf(err error) int {
	var field *apikey.FieldError
	var state *apikey.StateError
	var made *MadeError
	var body *bodyError
	var method *methodError
	var bound *BoundError
	var forbidden *ForbiddenError
	switch {
	case errors.As(err, &field), errors.Is(err, errTokenInURL):
		return http.StatusBadRequest
	case errors.As(err, &bound), errors.As(err, &forbidden):
		return http.StatusForbidden
	case errors.As(err, &body):
		return body.status
	case errors.Is(err, keystore.ErrNotFound), errors.Is(err, errNoRoute):
		return http.StatusNotFound
	case errors.As(err, &method):
		return http.StatusMethodNotAllowed
	case errors.As(err, &state), errors.As(err, &made), errors.Is(err, keystore.ErrExists):
		return http.StatusConflict
	case errors.Is(err, errChanged):
		return http.StatusPreconditionFailed
	case keystore.IsFailure(err):
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}
