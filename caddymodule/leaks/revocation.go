package leaks

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/caddymodule"
)

func init() {
	caddy.RegisterModule(new(Revocation))
}

const revocationDoor = "revocation"

// Revocation lets whoever has the token of a key end it, as RFC 7009 says: by a POST
// with the form token=…. The key is revoked when the answer comes, which is the same
// for a token that is none, and comes after the same time.
//
// It answers every request that gets here, so it belongs behind a matcher, such as
// keygate_revocation /oauth/revoke. It asks nobody to sign in.
type Revocation struct {
	door *door
}

// CaddyModule returns the Caddy module information.
func (*Revocation) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.keygate_revocation",
		New: func() caddy.Module { return new(Revocation) },
	}
}

// Provision finds the keys.
func (h *Revocation) Provision(ctx caddy.Context) (err error) {
	h.door, err = openDoor(ctx, revocationDoor)
	return err
}

// Cleanup lets what is under way come to its end.
func (h *Revocation) Cleanup() error {
	h.door.close()
	return nil
}

// maxForm bounds the body of a revocation, in bytes.
const maxForm = 16 << 10

const revocationMethods = "POST, OPTIONS"

// ServeHTTP answers every request.
func (h *Revocation) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	// Pages of any site may call (RFC 7009 §2.3): the token is all that it takes.
	w.Header().Set("Access-Control-Allow-Origin", "*")
	switch r.Method {
	case http.MethodPost:
	case http.MethodOptions:
		w.Header().Set("Allow", revocationMethods)
		w.Header().Set("Access-Control-Allow-Methods", http.MethodPost)
		w.Header().Set("Access-Control-Allow-Headers", "Content-Type")
		w.WriteHeader(http.StatusNoContent)
		return nil
	default:
		w.Header().Set("Allow", revocationMethods)
		return h.refuse(w, r, http.StatusMethodNotAllowed, "method_not_allowed", "A key is revoked by POST. Send the token as a form in the body: token=YOUR_KEY.")
	}
	token, status, problem := readForm(w, r)
	if problem != "" {
		return h.refuse(w, r, status, "invalid_request", problem)
	}
	within, retryAfter, err := h.door.within(r, 1)
	if err != nil {
		return h.unavailable(w, r)
	}
	attended, err := h.door.attend(r, &errand{
		tokens:   []string{token},
		then:     adminapi.ThenRevoke,
		reason:   adminapi.ReasonSurrendered,
		via:      h.door.via(r),
		imported: within,
	})
	switch {
	case err != nil:
		return h.unavailable(w, r)
	case !within:
		return h.tooMany(w, r, retryAfter)
	case !attended:
		return h.tooMany(w, r, 1)
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusOK)
	return nil
}

func (h *Revocation) refuse(w http.ResponseWriter, r *http.Request, status int, code, problem string) error {
	counted(revocationDoor, refused)
	return caddymodule.Refuse(w, r, status, code, problem)
}

// unavailable says that the token may still be good (RFC 7009 §2.2.1).
func (h *Revocation) unavailable(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Retry-After", "5")
	return caddymodule.Refuse(w, r, http.StatusServiceUnavailable, "store_unavailable", "Keys cannot be revoked at the moment, so the key may still be good. Send the request again later.")
}

func (h *Revocation) tooMany(w http.ResponseWriter, r *http.Request, retryAfter int) error {
	w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	return caddymodule.Refuse(w, r, http.StatusTooManyRequests, "too_many_tokens", "Too many tokens were handed in. Send this one again after the seconds in Retry-After, until the answer is 200.")
}

// readForm returns the token in the body of a request, or what is wrong with it. What
// it says never depends on what the token is.
func readForm(w http.ResponseWriter, r *http.Request) (token string, status int, problem string) {
	const form = "application/x-www-form-urlencoded"
	types := r.Header.Values("Content-Type")
	if len(types) != 1 || len(r.Header.Values("Content-Encoding")) > 0 {
		return "", http.StatusUnsupportedMediaType, "The body is not a plain form. Send it as " + form + ", once and without Content-Encoding."
	}
	if mediaType, _, err := mime.ParseMediaType(types[0]); err != nil || mediaType != form {
		return "", http.StatusUnsupportedMediaType, "The body is not a form. Send token=YOUR_KEY as " + form + "."
	}
	// A token in a URL is in logs by now, and was not meant to be there.
	if r.URL.RawQuery != "" {
		return "", http.StatusBadRequest, "The URL has a query, and what is in one is in logs. Send the token in the body, and no query."
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return "", http.StatusRequestEntityTooLarge, "The form is longer than one with a token is. Send token=YOUR_KEY alone."
	}
	if err != nil {
		return "", http.StatusBadRequest, "The body did not come whole. Send the request again."
	}
	values, err := url.ParseQuery(string(body))
	switch tokens := values["token"]; {
	case err != nil:
		return "", http.StatusBadRequest, "The form cannot be read. Percent-encode what is in it."
	case len(tokens) == 0 || len(tokens) == 1 && strings.TrimSpace(tokens[0]) == "":
		return "", http.StatusBadRequest, "The form has no token. Send token=YOUR_KEY."
	case len(tokens) > 1:
		return "", http.StatusBadRequest, "The form has several tokens. Send one request for each."
	default:
		return strings.TrimSpace(tokens[0]), 0, ""
	}
}

// Interface guards.
var (
	_ caddy.Provisioner           = (*Revocation)(nil)
	_ caddy.CleanerUpper          = (*Revocation)(nil)
	_ caddyhttp.MiddlewareHandler = (*Revocation)(nil)
)
