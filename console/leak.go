package console

import (
	"net/url"
	"strconv"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// leak is what the history says of a secret that got into other hands.
type leak struct {
	At      moment // of the newest report
	Who     string // "" if nobody said
	Claimed bool   // nobody but the caller said who
	Via     string
	Done    string // what was done then
	Reports int
}

// leakDeeds are what was done when it was reported that a secret leaked.
var leakDeeds = map[string]string{
	adminapi.ThenReport:  "reported that its secret leaked",
	adminapi.ThenDisable: "reported that its secret leaked, and disabled it",
	adminapi.ThenRevoke:  "reported that its secret leaked, and revoked it for good",
}

// leakOf looks for reports of a leak in the newest entries about a key. It returns
// nil if there are none, or if the visitor may not see them.
func (v *visit) leakOf(id apikey.ID) (*leak, error) {
	if !v.may(adminapi.VerbHistory) {
		return nil, nil
	}
	q := url.Values{"key": {id.String()}, "limit": {strconv.Itoa(keystore.MaxPage)}}
	resp, err := ask[adminapi.AuditResponse](v, adminapi.AuditPath+"?"+q.Encode())
	if err != nil {
		return nil, err
	}
	var found *leak
	for i := range resp.Entries {
		e := &resp.Entries[i]
		switch {
		case e.Reason != adminapi.ReasonLeaked:
		case found != nil:
			found.Reports++
		default:
			found = &leak{momentAt(e.At, v.at), e.By, e.Claimed, e.Via, doneWords(e), 1}
		}
	}
	return found, nil
}

// doneWords says what was done with a key, and why.
func doneWords(e *keystore.AuditEntry) string {
	words := deeds[e.Action]
	if e.Reason == adminapi.ReasonLeaked {
		words = leakDeeds[e.Action]
	}
	if words == "" {
		return e.Action
	}
	return words
}
