package adminapi

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// maxBody is the largest request body that is accepted, in bytes. Imports have
// their own bound.
const maxBody = 1 << 20

// bodyError says why a request body cannot be read as JSON of the expected form.
type bodyError struct {
	status int
	reason string
}

func (e *bodyError) Error() string { return e.reason }

// decodeBody reads exactly one JSON object. Every member must be one that v has,
// spelt exactly, and given once.
func decodeBody(r *http.Request, v any) error {
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		return &bodyError{http.StatusUnsupportedMediaType, "the body must be JSON; send it with Content-Type: application/json"}
	}
	return decodeJSON(http.MaxBytesReader(nil, r.Body, maxBody), v)
}

// decodeOptional is decodeBody for a body that may be left out.
func decodeOptional(r *http.Request, v any) error {
	if r.ContentLength == 0 {
		return nil
	}
	body := bufio.NewReader(r.Body) // the length may be unknown
	if _, err := body.Peek(1); errors.Is(err, io.EOF) {
		return nil
	}
	r.Body = io.NopCloser(body) // the server closes its own
	return decodeBody(r, v)
}

func decodeJSON(r io.Reader, v any) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return describeBodyError(err)
	}
	return decodeText(json.NewDecoder(bytes.NewReader(text)), text, v)
}

// decodeText decodes text, which must be one JSON value and all that dec reads. v
// is a pointer.
func decodeText(dec *json.Decoder, text []byte, v any) error {
	err := dec.Decode(v)
	if err == nil {
		if _, err = dec.Token(); errors.Is(err, io.EOF) {
			return checkMembers(text, reflect.TypeOf(v).Elem())
		}
		err = errors.New("something follows the JSON object")
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		wrong.Field = memberPath(wrong.Field, reflect.TypeOf(v).Elem())
	}
	return describeBodyError(err)
}

// memberPath returns the JSON path of a member of typ. encoding/json reports
// paths with the Go names of embedded structs in them.
func memberPath(path string, typ reflect.Type) string {
	for {
		first, rest, _ := strings.Cut(path, ".")
		field, ok := typ.FieldByName(first)
		if !ok || !field.Anonymous {
			return path
		}
		path, typ = rest, field.Type
	}
}

func describeBodyError(err error) error {
	var tooLarge *http.MaxBytesError
	var wrongType *json.UnmarshalTypeError
	var field *apikey.FieldError
	switch {
	case errors.As(err, &field):
		return field
	case errors.As(err, &tooLarge):
		return &bodyError{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", maxBody)}
	case errors.As(err, &wrongType) && wrongType.Field != "":
		return &apikey.FieldError{Field: wrongType.Field, Problem: "a JSON " + wrongType.Value + " is not accepted", Accepted: jsonKind(wrongType.Type.Kind().String())}
	case errors.As(err, &wrongType):
		return &bodyError{http.StatusBadRequest, "a JSON " + wrongType.Value + " is not accepted; send a JSON object"}
	case errors.Is(err, io.EOF):
		return &bodyError{http.StatusBadRequest, "the body is empty; send a JSON object"}
	}
	text := strings.TrimPrefix(err.Error(), "json: ")
	if apikey.ResemblesToken(text) {
		text = "a field or value that is a token"
	}
	return &bodyError{http.StatusBadRequest, "the body is not the JSON that is expected: " + text}
}

// jsonKind returns JSON's name for the values that a Go kind is decoded from.
func jsonKind(kind string) string {
	switch {
	case strings.HasPrefix(kind, "int"), strings.HasPrefix(kind, "uint"):
		return "a whole number"
	case kind == "slice":
		return "an array of strings"
	case kind == "bool":
		return "true or false"
	case kind == "struct":
		return "an object"
	default:
		return "a string"
	}
}

// apply copies what the request sets into k. It checks only what Normalize cannot
// check afterwards: numbers out of range and the forms of an expiry.
func (req *KeyRequest) apply(k *apikey.Key, now time.Time) error {
	set(&k.Name, req.Name)
	set(&k.Description, req.Description)
	set(&k.Scopes, req.Scopes)
	set(&k.AllowedOrigins, req.AllowedOrigins)
	set(&k.AllowedIPs, req.AllowedIPs)
	if err := req.applyExpiry(k, now); err != nil {
		return err
	}
	return req.applyLimits(k)
}

func set[T any](dst, src *T) {
	if src != nil {
		*dst = *src
	}
}

func (req *KeyRequest) applyExpiry(k *apikey.Key, now time.Time) (err error) {
	switch {
	case req.ExpiresInDays != nil && req.ExpiresAt != nil:
		return &apikey.FieldError{Field: "expires_in_days", Problem: "is given together with expires_at", Accepted: "one of the two"}
	case req.ExpiresInDays != nil:
		k.ExpiresAt, err = apikey.ExpiryIn(*req.ExpiresInDays, now)
	case string(req.ExpiresAt) == "null":
		k.ExpiresAt = time.Time{}
	case req.ExpiresAt != nil:
		var at string
		if json.Unmarshal(req.ExpiresAt, &at) != nil {
			return &apikey.FieldError{Field: "expires_at", Problem: "is not a string", Accepted: "an RFC 3339 time in the future, or null for never"}
		}
		k.ExpiresAt, err = apikey.ExpiryAt(at, now)
	}
	return err
}

// applyLimits checks the limits as a whole. In a change, absent limits keep their
// values. A burst that equals per_minute was never set apart from it, and keeps
// following it.
func (req *KeyRequest) applyLimits(k *apikey.Key) (err error) {
	want := LimitsRequest{}
	if req.Limits != nil {
		want = *req.Limits
	}
	if old := k.Limits; old != (apikey.Limits{}) {
		want.PerMinute = orElse(want.PerMinute, old.PerMinute)
		want.PerDay = orElse(want.PerDay, old.PerDay)
		if old.Burst != old.PerMinute {
			want.Burst = orElse(want.Burst, old.Burst)
		}
	}
	k.Limits, err = apikey.CheckLimits(want.PerMinute, want.PerDay, want.Burst)
	return err
}

func orElse(n *int64, old uint32) *int64 {
	if n != nil {
		return n
	}
	m := int64(old)
	return &m
}
