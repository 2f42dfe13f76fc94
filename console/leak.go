package console

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

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
	resp, err := v.trail(url.Values{"key": {id.String()}})
	if err != nil {
		return nil, err
	}
	found := make(leaks)
	found.add(resp.Entries, v.at)
	return found[id], nil
}

// trail returns a page of the history.
func (v *visit) trail(q url.Values) (adminapi.AuditResponse, error) {
	q.Set("limit", strconv.Itoa(keystore.MaxPage))
	return ask[adminapi.AuditResponse](v, adminapi.AuditPath+"?"+q.Encode())
}

// leaks are what the history says, by key.
type leaks map[apikey.ID]*leak

// add adds the reports among entries, the newest of which come first. It returns the
// keys that it has not seen before.
func (l leaks) add(entries []keystore.AuditEntry, now time.Time) (added []apikey.ID) {
	for i := range entries {
		e := &entries[i]
		switch before := l[e.Key]; {
		case e.Reason != adminapi.ReasonLeaked:
		case before != nil:
			before.Reports++
		default:
			l[e.Key] = &leak{momentAt(e.At, now), e.By, e.Claimed, e.Via, doneWords(e), 1}
			added = append(added, e.Key)
		}
	}
	return added
}

const (
	leakLooks = 200 // at how many keys of reports the list looks
	mostLeaks = 20  // how many of them it names
)

// leakedKey is a key of which the secret leaked.
type leakedKey struct {
	apikey.Record
	Leak *leak
}

// leaking returns the keys of all that the visitor sees of which the secret leaked, and
// which work nevertheless, the newest report first. It looks for reports in the newest
// entries of the history of all keys.
func (v *visit) leaking() (list []leakedKey, err error) {
	if !v.may(adminapi.VerbHistory) {
		return nil, nil
	}
	resp, err := v.trail(make(url.Values))
	if err != nil {
		return nil, err
	}
	found := make(leaks)
	ids := found.add(resp.Entries, v.at)
	for _, id := range ids[:min(len(ids), leakLooks)] {
		k, err := ask[apikey.Record](v, keyPath(id.String(), ""))
		switch {
		case isMissing(err): // it was deleted
		case err != nil && !keystore.IsFailure(err): // of which the page of the key tells
			return nil, err
		case err == nil && k.Status == apikey.Active:
			list = append(list, leakedKey{k, found[id]})
		}
	}
	return list, nil
}

// isMissing reports whether the API says that something is not there.
func isMissing(err error) bool {
	refused, ok := errors.AsType[*refusal](err)
	return ok && refused.status == http.StatusNotFound
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
