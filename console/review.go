package console

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/review"
)

// reviewPage lists the keys that somebody should look at.
type reviewPage struct {
	shell
	Rows     []reviewRow
	Later    bool   // this is not the first page
	Next     string // cursor of the next page; "" on the last
	NoUse    bool   // the visitor may not see what keys are used for
	NoPowers bool
}

type reviewRow struct {
	adminapi.ReviewedKey
	Status status
	Advice []advice
}

// advice is what was found about a key, and what can be done about it.
type advice struct {
	Code  review.Code
	Label string
	Lines []string
	Deed  string // what a link to it says; "" if there is nothing to do, or the visitor may not
	Link  string // below the base
}

// reviewCalls is how many times the API is asked for one page: each time it looks
// at a bounded number of keys.
const reviewCalls = 5

func (v *visit) review() error {
	cursor := v.r.URL.Query().Get("cursor")
	page := reviewPage{shell: v.shell("Review"), Later: cursor != "", NoUse: !v.may(adminapi.VerbUsage), NoPowers: !v.may(adminapi.VerbList)}
	if page.NoPowers {
		return v.show(http.StatusForbidden, "review", page)
	}
	for range reviewCalls {
		q := url.Values{"limit": {strconv.Itoa(pageSize - len(page.Rows))}, "cursor": {cursor}}
		resp, err := ask[adminapi.ReviewResponse](v, adminapi.ReviewPath+"?"+q.Encode())
		if err != nil {
			return err
		}
		for _, k := range resp.Keys {
			if advice := v.advice(&k); len(advice) > 0 {
				page.Rows = append(page.Rows, reviewRow{k, statusOf(k.Status), advice})
			}
		}
		if cursor = resp.NextCursor; cursor == "" || len(page.Rows) == pageSize {
			break
		}
	}
	page.Next = cursor
	return v.show(http.StatusOK, "review", page)
}

// reviewOf returns what there is to say about one key.
func (v *visit) reviewOf(id apikey.ID) (adminapi.ReviewedKey, error) {
	resp, err := ask[adminapi.ReviewResponse](v, adminapi.ReviewPath+"?key="+id.String())
	if err != nil || len(resp.Keys) == 0 {
		return adminapi.ReviewedKey{ID: id}, err
	}
	return resp.Keys[0], nil
}

// reviewWords are how people read a code, and what a link says that leads to the
// form with the suggested change.
var reviewWords = map[review.Code]struct{ label, change string }{
	review.NeverUsed:   {"Never used", ""},
	review.Idle:        {"Not used for 90 days", ""},
	review.Expiring:    {"Ends soon", "Give it a later end"},
	review.NoExpiry:    {"Never expires", "Give it an end"},
	review.UnusedScope: {"May do more than it does", "Take away what is not used"},
	review.OneNetwork:  {"Works from anywhere", "Allow only that network"},
	review.HighLimits:  {"May be used far more than it is", "Lower the limit"},
}

// reviewFields are the elements of the form that a suggested change is in.
var reviewFields = map[review.Code]string{
	review.Expiring: "f-expiry", review.NoExpiry: "f-expiry", review.UnusedScope: "f-scopes", review.OneNetwork: "f-allowed_ips", review.HighLimits: "f-per_day",
}

var isoDate = regexp.MustCompile(`\d{4}-\d\d-\d\d`)

// sentenceOf is the detail of a finding as a sentence, with dates as the page has
// them.
func sentenceOf(detail string) string {
	return capital(isoDate.ReplaceAllStringFunc(detail, func(text string) string {
		if at, err := time.Parse(time.DateOnly, text); err == nil {
			return date(at)
		}
		return text
	})) + "."
}

// advice puts findings into words, but for what needs nobody's attention yet. What is
// alike is said once.
func (v *visit) advice(k *adminapi.ReviewedKey) (list []advice) {
	for i := range k.Findings {
		f := &k.Findings[i]
		if f.Code == review.NeverUsed && f.Suggest == nil {
			continue // it is new, as its page says
		}
		line := sentenceOf(f.Detail)
		switch f.Code {
		case review.UnusedScope:
			line = scopeWords(f.Scope) + ": " + f.Scope + strings.TrimPrefix(line, capital(f.Scope))
		case review.NoExpiry:
			line = "It works until somebody ends it, also when nobody thinks of it any more."
		case review.NeverUsed, review.Idle, review.Expiring, review.OneNetwork, review.HighLimits: // said as it is
		}
		if n := len(list); n > 0 && list[n-1].Code == f.Code {
			list[n-1].Lines = append(list[n-1].Lines, line)
			continue
		}
		a := advice{Code: f.Code, Label: reviewWords[f.Code].label, Lines: []string{line}}
		if f.Suggest != nil {
			a.Deed, a.Link = v.deed(k.ID, f)
		}
		list = append(list, a)
	}
	return list
}

// deed returns what a link to the suggestion says and where it leads, or nothing if
// the visitor may not do that.
func (v *visit) deed(id apikey.ID, f *review.Finding) (words, link string) {
	path := "/keys/" + id.String()
	switch f.Suggest.Do {
	case review.Update:
		if v.may(adminapi.VerbUpdate) {
			return reviewWords[f.Code].change, path + "/edit?fix=" + string(f.Code) + "#" + reviewFields[f.Code]
		}
	case review.Disable:
		if v.may(adminapi.VerbDisable) {
			return "Disable it", path + "/disable"
		}
	case review.Revoke:
		if v.may(adminapi.VerbRevoke) {
			return "Revoke it", path + "/revoke"
		}
	}
	return "", ""
}

// propose fills a form in with a suggested change, and returns the words for it, or
// "" if nothing of the kind is suggested any more.
func (v *visit) propose(f *form, id apikey.ID, code review.Code) (string, error) {
	if code == "" {
		return "", nil
	}
	found, err := v.reviewOf(id)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(found.Findings, func(f review.Finding) bool { return f.Code == code && f.Suggest != nil && f.Suggest.Change != nil })
	if i < 0 {
		return "", nil
	}
	switch c := found.Findings[i].Suggest.Change; code {
	case review.NeverUsed, review.Idle: // of which no setting is to be changed
	case review.UnusedScope:
		f.Scopes = c.Scopes
		return "What the key does not use is not ticked any more.", nil
	case review.Expiring, review.NoExpiry:
		f.Expiry, f.Days = expiryCustom, strconv.Itoa(c.ExpiresInDays)
		return "The key gets an end that is " + f.Days + " days away.", nil
	case review.OneNetwork:
		f.IPs = c.AllowedIPs[0]
		return "The network from which the key was used is filled in. Make sure that it is that of whoever uses the key, and not of a proxy before this site.", nil
	case review.HighLimits:
		f.PerDay = strconv.FormatUint(uint64(c.Limits.PerDay), 10)
		return "The limit of a day is lowered to what leaves room for four times the busiest day.", nil
	}
	return "", nil
}
