package adminapi

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/english"
	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/tokenscan"
)

// What is to be done about keys that leaked.
const (
	ThenLook    = "look"    // nothing: only say what they are
	ThenReport  = "report"  // record and announce it
	ThenDisable = "disable" // the same, and disable them
	ThenRevoke  = "revoke"  // the same, and revoke them
)

// MaxLeaked is how many different tokens a text of one call may have.
const MaxLeaked = 1000

// ReasonLeaked is the reason in the audit trail.
const ReasonLeaked = "leaked"

// LeakedRequest is a text with tokens that leaked, in any of the forms that
// package tokenscan finds, and what is to be done about their keys.
type LeakedRequest struct {
	Text string `json:"text"`
	Then string `json:"then"`
}

// LeakedResponse has the different tokens of the text, in their order there.
type LeakedResponse struct {
	Found   []LeakedToken `json:"found"`
	Unknown int           `json:"unknown"` // how many of them are no token of a key
}

// LeakedToken is one token that was found, which only the prefix of is shown.
type LeakedToken struct {
	Prefix string         `json:"prefix"`
	Done   string         `json:"done"`          // nothing, reported, disabled or revoked
	Was    apikey.Status  `json:"was,omitempty"` // the status of the key before; "" for an unknown token
	Key    *apikey.Record `json:"key,omitempty"` // as it is now; nil for an unknown token
}

// leaked deals with keys whose tokens are in a text. Only the genuine token of a
// key does anything: whoever knows the ID alone cannot end a key by it.
func (a *call) leaked(r *http.Request) (any, int, error) {
	var req LeakedRequest
	if err := decodeBody(r, &req); err != nil {
		return nil, 0, err
	}
	finds, err := req.check()
	if err != nil {
		return nil, 0, err
	}
	a.flush()
	resp := LeakedResponse{Found: []LeakedToken{}}
	changed := 0
	for _, f := range finds {
		t, err := a.dealWith(f, req.Then)
		if err != nil && changed > 0 {
			err = fmt.Errorf("%w; the change was made to %s before: send it again for the others", err, english.Plural(changed, "key"))
		}
		if err != nil {
			return nil, 0, err
		}
		if t.Key == nil {
			resp.Unknown++
		} else if req.Then != ThenLook {
			changed++
		}
		resp.Found = append(resp.Found, t)
	}
	return resp, http.StatusOK, nil
}

// check returns the different tokens of the text.
func (req *LeakedRequest) check() ([]tokenscan.Find, error) {
	all := []string{ThenLook, ThenReport, ThenDisable, ThenRevoke}
	switch {
	case req.Then == "":
		return nil, &apikey.FieldError{Field: "then", Problem: "is missing", Accepted: strings.Join(all, ", ")}
	case !slices.Contains(all, req.Then):
		return nil, &apikey.FieldError{Field: "then", Problem: apikey.Quote(req.Then) + " is not accepted", Accepted: strings.Join(all, ", ")}
	case req.Text == "":
		return nil, &apikey.FieldError{Field: "text", Problem: "is missing", Accepted: "any text with tokens"}
	}
	var finds []tokenscan.Find
	seen := make(map[string]bool)
	for _, f := range tokenscan.In(req.Text) {
		if seen[f.Token()] {
			continue
		}
		if len(finds) == MaxLeaked {
			return nil, &apikey.FieldError{Field: "text", Problem: fmt.Sprintf("has more than %d tokens", MaxLeaked), Accepted: "several texts with fewer"}
		}
		seen[f.Token()] = true
		finds = append(finds, f)
	}
	return finds, nil
}

// dealWith deals with the key of one token, if there is one.
func (a *call) dealWith(f tokenscan.Find, then string) (LeakedToken, error) {
	unknown := LeakedToken{Prefix: f.Prefix(), Done: "nothing"}
	hash := f.Hash()
	id, found, err := a.holderOf(f.ID, hash)
	if err != nil || !found {
		return unknown, err
	}
	key, used, err := a.keyWithUse(id)
	if err != nil {
		return unknown, existing(err)
	}
	now := a.now()
	t := LeakedToken{Prefix: f.Prefix(), Done: "nothing", Was: key.Status(now)}
	if then != ThenLook {
		action, done := actionFor(&key, then)
		by := a.actor()
		by.Reason = ReasonLeaked
		key, err = a.store.Update(id, action, by, func(k *apikey.Key) error {
			switch {
			case !k.Hash.Equal(hash): // another key got the ID meanwhile
				return keystore.ErrNotFound
			case action == ThenRevoke:
				k.Revoke(now)
			case action == ThenDisable && k.RevokedAt.IsZero():
				k.Disabled = true
			}
			return nil
		})
		if err != nil {
			return unknown, existing(err)
		}
		t.Done = done
		if action != ThenReport {
			a.changed(action, id)
		}
	}
	record := key.Record(now, used)
	t.Key = &record
	if then != ThenLook {
		a.observer.KeyLeaked(&record, t.Was, t.Done, a.actor())
	}
	return t, nil
}

// holderOf returns the key whose token has this hash: the one of the ID, or one
// that was imported as a token of another system.
func (a *call) holderOf(id apikey.ID, hash apikey.Hash) (apikey.ID, bool, error) {
	grant, found, err := a.store.Lookup(id)
	if err != nil || found && grant.Hash.Equal(hash) {
		return id, found, err
	}
	if !a.store.HasOpaque() {
		return id, false, nil
	}
	id, _, found, err = a.store.LookupOpaque(hash)
	return id, found, err
}

func (a *call) keyWithUse(id apikey.ID) (key apikey.Key, used time.Time, err error) {
	if key, err = a.store.Get(id); err != nil {
		return key, used, err
	}
	used, err = a.store.LastUsed(id)
	return key, used, err
}

// existing returns nil for a key that was deleted meanwhile: its token is
// unknown, as it is from then on.
func existing(err error) error {
	if errors.Is(err, keystore.ErrNotFound) {
		return nil
	}
	return err
}

// actionFor returns what is done to a key, as the trail and as the answer have
// it. What is so already is only reported.
func actionFor(k *apikey.Key, then string) (action, done string) {
	switch {
	case then == ThenRevoke && k.RevokedAt.IsZero():
		return ThenRevoke, "revoked"
	case then == ThenDisable && k.RevokedAt.IsZero() && !k.Disabled:
		return ThenDisable, "disabled"
	default:
		return ThenReport, "reported"
	}
}
