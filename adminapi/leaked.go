package adminapi

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/english"
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

// Reasons in the audit trail.
const (
	ReasonLeaked      = "leaked"      // somebody else may have the token
	ReasonSurrendered = "surrendered" // whoever had the token wanted it to end
)

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
		by := a.actor()
		by.Reason = ReasonLeaked
		t, err := a.deal(&dealing{prefix: f.Prefix(), id: f.ID, hash: f.Hash(), imported: true, then: req.Then, by: by, again: always})
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
