package console

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/review"
)

// keyPage is the page of one key.
type keyPage struct {
	shell
	Key     apikey.Record
	Status  status
	Created moment
	Expires expiry
	Used    moment
	Revoked moment
	Limits  []string
	Places  placesPage
	Access  []scopeBox
	Can     actions

	MayEndLater bool // a later end than the key has is accepted

	Switch *switchover    // the key has a successor
	From   *apikey.Record // the key that this one replaces, if it can be shown
	Leak   *leak          // reports that its secret leaked; nil: there are none, or the visitor may not see them
	Advice []advice

	Usage   *plot // nil: the visitor may not see it
	Days    int
	Spans   []spanLink
	History *history // nil: the visitor may not see it
	AskForm explainPage
}

// actions are what can be done with a key in its state, by this visitor.
type actions struct{ Edit, Rotate, Disable, Enable, Revoke, Delete, Explain bool }

func (a actions) Any() bool { return a != actions{Explain: a.Explain} }

func (v *visit) actions(k *apikey.Record) actions {
	changeable := k.Status != apikey.Revoked
	return actions{
		Edit:    changeable && v.may(adminapi.VerbUpdate),
		Rotate:  k.Status == apikey.Active && k.ReplacedBy.IsZero() && v.may(adminapi.VerbRotate),
		Disable: changeable && k.Status != apikey.Disabled && v.may(adminapi.VerbDisable),
		Enable:  k.Status == apikey.Disabled && v.may(adminapi.VerbDisable),
		Revoke:  changeable && v.may(adminapi.VerbRevoke),
		Delete:  v.may(adminapi.VerbDelete),
		Explain: v.may(adminapi.VerbExplain),
	}
}

type spanLink struct {
	Days   int
	Chosen bool
}

// spans are for how many days use is shown.
var spans = []int{7, 30, 90}

func (v *visit) oneKey() error {
	k, _, err := v.key()
	if err != nil {
		return err
	}
	page := keyPage{
		shell: v.shell(k.Name), Key: k, Status: statusOf(k.Status), Created: momentAt(k.CreatedAt, v.at), Expires: v.expiry(&k),
		Used: v.moment(k.LastUsedAt, "Never"), Revoked: v.moment(k.RevokedAt, ""), Limits: limitWords(k.Limits), Can: v.actions(&k),
		Places: placesPage{k.AllowedOrigins, k.AllowedIPs}, Days: 30, AskForm: v.explainPage(&k),
		MayEndLater: v.mayEndLater(&k),
	}
	if page.Access, err = v.access(&k); err != nil {
		return err
	}
	page.Switch = v.switchover(&k)
	if !k.RotatedFrom.IsZero() {
		if from, err := ask[apikey.Record](v, keyPath(k.RotatedFrom.String(), "")); err == nil {
			page.From = &from
		}
	}
	q := v.r.URL.Query()
	if n, err := strconv.Atoi(q.Get("days")); err == nil && slices.Contains(spans, n) {
		page.Days = n
	}
	for _, n := range spans {
		page.Spans = append(page.Spans, spanLink{n, n == page.Days})
	}
	if v.may(adminapi.VerbUsage) {
		days, err := v.usage(k.ID.String(), page.Days)
		if err != nil {
			return err
		}
		picture := plotOf(days)
		page.Usage = &picture
	}
	if page.Leak, err = v.leakOf(k.ID); err != nil {
		return err
	}
	found, err := v.reviewOf(k.ID)
	if err != nil {
		return err
	}
	page.Advice = v.advice(&found)
	if page.Expires.Soon && page.Switch == nil { // which the page says first
		page.Advice = slices.DeleteFunc(page.Advice, func(a advice) bool { return a.Code == review.Expiring })
	}
	if page.History, err = v.history(k.ID, q.Get("history")); err != nil {
		return err
	}
	return v.show(http.StatusOK, "key", page)
}

// access returns what a key may do, with the routes that this opens.
func (v *visit) access(k *apikey.Record) ([]scopeBox, error) {
	known, err := ask[adminapi.ScopesResponse](v, adminapi.ScopesPath)
	if err != nil {
		return nil, err
	}
	var list []scopeBox
	for _, scope := range k.Scopes {
		box := scopeBox{Scope: scope, Meaning: scopeWords(scope), Gone: !slices.Contains(v.policy.Scopes, scope)}
		for i := range known.Scopes {
			if info := &known.Scopes[i]; info.Scope == scope {
				box.Meaning, box.Routes = meaning(info), info.Routes
			}
		}
		list = append(list, box)
	}
	return list, nil
}

// switchover is how far the users of a replaced key have moved to its successor.
type switchover struct {
	Next      string // ID of the successor
	Name      string
	NextUsed  moment
	Ends      moment
	Used      moment
	Ended     bool // the old key does not work any more
	Waiting   bool // nobody has used the new key yet
	StillUsed bool // somebody used the old one lately
	Safe      bool // nobody has used the old one since the switch
}

// quiet is how long a replaced key must be unused to count as left, if it was
// used after its successor was made.
const quiet = 24 * time.Hour

func (v *visit) switchover(k *apikey.Record) *switchover {
	if k.ReplacedBy.IsZero() {
		return nil
	}
	s := &switchover{Next: k.ReplacedBy.String(), Used: v.moment(k.LastUsedAt, "never"), Ends: v.moment(k.ExpiresAt, ""), Ended: k.Status != apikey.Active}
	next, err := ask[apikey.Record](v, keyPath(s.Next, ""))
	if err != nil {
		return s // it is deleted, or cannot be shown: then nothing is claimed about it
	}
	s.Name, s.NextUsed = next.Name, v.moment(next.LastUsedAt, "not yet")
	// The last use is known to the minute, and rounded down.
	usedSince := k.LastUsedAt != nil && !k.LastUsedAt.Before(next.CreatedAt.Truncate(time.Minute))
	switch {
	case s.Ended:
	case next.LastUsedAt == nil:
		s.Waiting, s.StillUsed = true, usedSince
	case !usedSince || next.LastUsedAt.After(*k.LastUsedAt) && v.at.Sub(*k.LastUsedAt) >= quiet:
		s.Safe = true
	default:
		s.StillUsed = true
	}
	return s
}

// history is a page of what was done with a key, the newest first.
type history struct {
	Entries []historyEntry
	Next    string // query of the next page; "" on the last
	Later   bool   // this is not the first page
}

type historyEntry struct {
	At      moment
	Who     string
	Claimed bool
	Via     string
	What    string
	Changes []changeWords
}

type changeWords struct{ Label, From, To string }

// historyPage is how many entries are shown at once.
const historyPage = 20

func (v *visit) history(id apikey.ID, cursor string) (*history, error) {
	if !v.may(adminapi.VerbHistory) {
		return nil, nil
	}
	q := url.Values{"key": {id.String()}, "limit": {strconv.Itoa(historyPage)}}
	if cursor != "" {
		q.Set("cursor", cursor)
	}
	resp, err := ask[adminapi.AuditResponse](v, adminapi.AuditPath+"?"+q.Encode())
	if err != nil {
		return nil, err
	}
	h := &history{Later: cursor != "", Next: resp.NextCursor}
	for i := range resp.Entries {
		h.Entries = append(h.Entries, v.historyEntry(&resp.Entries[i]))
	}
	return h, nil
}
