package leaks

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/caddymodule"
	"github.com/socialpatra/keygate/caddymodule/caddyargs"
	"github.com/socialpatra/keygate/tokenscan"
)

func init() {
	caddy.RegisterModule(new(LeakReports))
}

const githubDoor = "github"

var senders = caddyargs.Choice{Option: "keygate_leak_reports", Words: []string{githubDoor}}

// accepted are the reports that were accepted of late, by the digest of their body,
// of all configs of the process. One that comes again is a replay: what it says may
// be settled by now.
var accepted = newRecent[[sha256.Size]byte](7*24*time.Hour, 10_000)

// LeakReports takes reports of tokens that were found in public places, from
// somebody who signs them. For each genuine token, the audit trail says that it
// leaked, the log and an event tell of it, and its key is dealt with. The answer is
// the same whichever tokens were genuine, and so is the time until it comes.
//
// It answers every request that gets here, so it belongs behind a matcher, such as
// keygate_leak_reports /leaks github.
type LeakReports struct {
	// Who sends them, by whose protocol: github, the secret scanning partner
	// program. Required.
	From string `json:"from"`

	// Where the sender's public keys are: an https:// URL, or http:// of this
	// machine. Default: that of GitHub,
	// https://api.github.com/meta/public_keys/secret_scanning.
	KeysURL string `json:"keys_url,omitempty"`

	// What to do about a key whose token leaked: report (only say so), disable
	// or revoke. Default: disable.
	Then string `json:"then,omitempty"`

	door *door
	keys *signingKeys
}

// CaddyModule returns the Caddy module information.
func (*LeakReports) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.keygate_leak_reports",
		New: func() caddy.Module { return new(LeakReports) },
	}
}

// Provision checks the configuration. The keys are fetched with the first report.
func (h *LeakReports) Provision(ctx caddy.Context) (err error) {
	h.KeysURL = cmp.Or(h.KeysURL, githubKeys)
	h.Then = cmp.Or(h.Then, adminapi.ThenDisable)
	if err := errors.Join(senders.Check(h.From), checkKeysURL(h.KeysURL), thens("then").Check(h.Then)); err != nil {
		return err
	}
	if h.door, err = openDoor(ctx, h.From); err != nil {
		return err
	}
	h.keys, err = acquireKeys(h.KeysURL)
	return err
}

// Cleanup gives back the keys of the sender.
func (h *LeakReports) Cleanup() error {
	if h.keys == nil {
		return nil
	}
	_, err := keyPool.Delete(h.KeysURL)
	return err
}

// ServeHTTP answers every request.
func (h *LeakReports) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	begun := h.door.now()
	leaks, digest, bad := h.accept(w, r)
	if bad != nil {
		return h.refuse(w, r, bad)
	}
	genuine, err := h.dealWith(leaks)
	h.door.pause(r.Context(), untilDue(h.door.now().Sub(begun)))
	if err != nil {
		accepted.forget(digest) // what is left of it is to come again
		h.door.app.ReportStoreFailure(r.URL.Path, err)
		return h.refuse(w, r, &badReport{http.StatusServiceUnavailable, "store_unavailable", "The keys could not all be dealt with. Send the report again later."})
	}
	if genuine > 0 {
		counted(githubDoor, dealtWith)
	} else {
		counted(githubDoor, nothing)
	}
	// The protocol lets the answer list which tokens were genuine. The list may be
	// empty, and here it always is.
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte("[]")) // the client may have gone
	return nil
}

// accept returns the finds of a report that is whole, signed and new. What is
// cheap to see comes first; nothing is read of the body before the key of the
// signature is known, and nothing is made of it before it verifies.
func (h *LeakReports) accept(w http.ResponseWriter, r *http.Request) (leaks []reportedLeak, digest [sha256.Size]byte, bad *badReport) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return nil, digest, &badReport{http.StatusMethodNotAllowed, "method_not_allowed", "Reports are sent by POST."}
	}
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/json" || len(r.Header.Values("Content-Type")) > 1 || len(r.Header.Values("Content-Encoding")) > 0 {
		return nil, digest, &badReport{http.StatusUnsupportedMediaType, "unsupported_media_type", "Send the report as application/json, without Content-Encoding."}
	}
	keyID, signature, bad := signatureOf(r)
	if bad != nil {
		return nil, digest, bad
	}
	key, err := h.keys.find(r.Context(), keyID, h.door.logger)
	switch {
	case errors.Is(err, errUnknownKey):
		return nil, digest, &badReport{http.StatusForbidden, "unknown_signing_key", "The report is signed with a key that the sender is not known to have. If it is a new one, send the report again in a minute."}
	case err != nil:
		return nil, digest, &badReport{http.StatusServiceUnavailable, "no_signing_keys", "The keys of the sender could not be fetched, so no report can be checked. Send it again in a minute."}
	}
	body, bad := readReport(w, r)
	if bad != nil {
		return nil, digest, bad
	}
	if !verifies(key, body, signature) {
		return nil, digest, &badReport{http.StatusForbidden, "bad_signature", "The signature is not that of the body."}
	}
	if leaks, bad = parseReport(body); bad != nil {
		return nil, digest, bad
	}
	if digest = sha256.Sum256(body); !accepted.claim(digest, h.door.now()) {
		return nil, digest, &badReport{http.StatusConflict, "repeated_report", "This report was accepted before. Nothing was done now."}
	}
	return leaks, digest, nil
}

// dealWith deals with the tokens of a report, each once, and returns how many finds
// were genuine.
func (h *LeakReports) dealWith(leaks []reportedLeak) (genuine int, err error) {
	known := make(map[string]bool)
	for i := range leaks {
		leak := &leaks[i]
		is, done := known[leak.Token]
		if !done {
			n, err := h.door.do(&errand{tokens: []string{leak.Token}, then: h.Then, reason: adminapi.ReasonLeaked, via: h.door.name, imported: true})
			if err != nil {
				return 0, err
			}
			is = n > 0
			known[leak.Token] = is
		}
		if is {
			genuine++
			h.sayWhere(leak)
		}
	}
	return genuine, nil
}

// sayWhere logs where a token was found, beside what the log says of its key. A place
// that may itself have a token in it is left out.
func (h *LeakReports) sayWhere(leak *reportedLeak) {
	fields := []zap.Field{zap.String("from", h.From)}
	for name, value := range map[string]string{"url": leak.URL, "source": leak.Source, "type": leak.Type} {
		if len(tokenscan.In(value)) == 0 && !apikey.ResemblesToken(value) {
			fields = append(fields, zap.String(name, value))
		}
	}
	h.door.logger.Info("a leak was reported", fields...)
}

func (h *LeakReports) refuse(w http.ResponseWriter, r *http.Request, bad *badReport) error {
	counted(githubDoor, refused)
	if bad.status == http.StatusServiceUnavailable || bad.code == "unknown_signing_key" {
		w.Header().Set("Retry-After", strconv.Itoa(int(fetchEvery/time.Second)))
	}
	return caddymodule.Refuse(w, r, bad.status, bad.code, bad.detail)
}

// Interface guards.
var (
	_ caddy.Provisioner           = (*LeakReports)(nil)
	_ caddy.CleanerUpper          = (*LeakReports)(nil)
	_ caddyhttp.MiddlewareHandler = (*LeakReports)(nil)
)
