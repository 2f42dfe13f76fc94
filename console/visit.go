package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
)

// visit is one request in progress.
type visit struct {
	*Page
	Visit
	w http.ResponseWriter
	r *http.Request

	server *adminapi.Server
	policy adminapi.PolicyResponse
	at     time.Time // the instant that all of the page is about
	typed  url.Values
}

type visitKey struct{}

func withVisit(ctx context.Context, v *visit) context.Context {
	return context.WithValue(ctx, visitKey{}, v)
}

func visitOf(r *http.Request) *visit { return r.Context().Value(visitKey{}).(*visit) }

// begin finds the API, and asks it what the visitor may do.
func (v *visit) begin() (err error) {
	v.at = v.now()
	if v.server, err = v.api(); err != nil {
		return &refusal{status: http.StatusServiceUnavailable, err: err}
	}
	v.policy, err = ask[adminapi.PolicyResponse](v, adminapi.PolicyPath)
	return err
}

// readForm reads the form that a browser of this site sends.
func (v *visit) readForm() error {
	if err := v.guard.Check(v.r); err != nil {
		return &refusal{status: http.StatusForbidden, kind: "origin", err: err}
	}
	typed, err := formOf(v.w, v.r)
	v.typed = typed
	return err
}

// formOf reads the fields of a form.
func formOf(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != "application/x-www-form-urlencoded" {
		return nil, &refusal{status: http.StatusUnsupportedMediaType, err: errors.New("the form was not sent by this page")}
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	if err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return nil, &refusal{status: http.StatusRequestEntityTooLarge, err: errors.New("the form is longer than 1 MiB")}
		}
		return nil, &refusal{status: http.StatusBadRequest, err: fmt.Errorf("the form did not arrive whole: %w", err)}
	}
	typed, err := url.ParseQuery(string(text))
	if err != nil {
		return nil, &refusal{status: http.StatusBadRequest, err: fmt.Errorf("the form does not parse: %w", err)}
	}
	return typed, nil
}

// refusal is why a page cannot be shown.
type refusal struct {
	status int
	kind   string // what the page says about it, if its status does not tell; see errors.go
	err    error
}

func (e *refusal) Error() string { return e.err.Error() }
func (e *refusal) Unwrap() error { return e.err }

// do asks the API. body is sent as JSON unless it is nil; header has pairs of a
// name and a value.
func (v *visit) do(method, path string, body any, header ...string) *adminapi.Answer {
	var text io.Reader = http.NoBody
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return &adminapi.Answer{Status: http.StatusInternalServerError, Err: err}
		}
		text = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(v.r.Context(), method, path, text) //nolint:gosec // it never leaves the process
	if err != nil {
		return &adminapi.Answer{Status: http.StatusNotFound, Err: err}
	}
	r.Header.Set("Content-Type", "application/json")
	for pair := range slices.Chunk(header, 2) {
		r.Header.Set(pair[0], pair[1])
	}
	return v.server.Do(v.Authority, r)
}

// ask gets a resource of the API.
func ask[T any](v *visit, path string) (body T, err error) {
	body, _, err = askTagged[T](v, path)
	return body, err
}

// askTagged is ask, with the ETag of the answer.
func askTagged[T any](v *visit, path string) (T, string, error) {
	return answered[T](v.do(http.MethodGet, path, nil))
}

// answered returns the body of an answer.
func answered[T any](answer *adminapi.Answer) (body T, etag string, err error) {
	if answer.Err != nil {
		return body, "", &refusal{status: answer.Status, err: answer.Err}
	}
	body, ok := answer.Body.(T)
	if !ok {
		return body, "", &refusal{status: http.StatusInternalServerError, err: fmt.Errorf("the API answered with %T", answer.Body)}
	}
	return body, answer.ETag(), nil
}

// key gets the key that the URL names.
func (v *visit) key() (apikey.Record, string, error) {
	return askTagged[apikey.Record](v, v.keyPath(""))
}

// keyPath returns the path of the API for the key that the URL names.
func (v *visit) keyPath(operation string) string { return keyPath(v.r.PathValue("id"), operation) }

func keyPath(id, operation string) string {
	return adminapi.KeysPath + "/" + url.PathEscape(id) + operation
}

// may reports whether the visitor may do something.
func (v *visit) may(verb adminapi.Verb) bool { return slices.Contains(v.policy.May, verb) }

// all reports whether the visitor sees every workspace.
func (v *visit) all() bool { return v.policy.Workspace == adminapi.AllWorkspaces }

// seeOther answers that another page of this site is to be seen. The notice says
// there what was done; see notices.
func (v *visit) seeOther(path, notice string) error {
	if notice != "" {
		path += "?done=" + notice
	}
	v.w.Header().Set("Location", v.base+path)
	v.w.WriteHeader(http.StatusSeeOther)
	return nil
}

// notices are what a page says first, by the parameter done of its URL.
var notices = map[string]string{
	"saved":    "The changes are saved. They apply from the next request on.",
	"disabled": "The key is disabled. Requests with it are refused from now on.",
	"enabled":  "The key is enabled. Requests with it are let in again.",
	"revoked":  "The key is revoked. It never works again.",
	"deleted":  "The key is deleted.",
	"limited":  "The limits are saved. They apply from the next request on.",
	"freed":    "The limits of the workspace are removed.",
}

func unescaped(query string) string {
	if text, err := url.QueryUnescape(query); err == nil {
		return text
	}
	return query
}
