package adminapi

import (
	"net/http"
	"strconv"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// usage answers with the use of a key on the last days, oldest first. Days
// without use are left out.
func (a *call) usage(r *http.Request) (any, int, error) {
	id, err := keyID(r)
	if err != nil {
		return nil, 0, err
	}
	days := 30
	err = eachParam(r, params{"days": func(value string) error {
		days, err = number(value, "days", keystore.UsageDays)
		return err
	}})
	if err != nil {
		return nil, 0, err
	}
	if _, err := a.store.Get(id); err != nil {
		return nil, 0, err
	}
	a.flush()
	today := apikey.DayOf(a.now())
	found, err := a.store.Usage(id, today-apikey.Day(days)+1, today)
	if err != nil {
		return nil, 0, err
	}
	resp := UsageResponse{Days: []DayUsage{}}
	for _, u := range found {
		if u.Allowed|u.Limited|u.Denied == 0 {
			continue // on that day, it was charged for its successors alone
		}
		resp.Days = append(resp.Days, DayUsage{Date: u.Day.String(), Allowed: u.Allowed, Limited: u.Limited, Denied: u.Denied})
	}
	return resp, http.StatusOK, nil
}

// audit answers with the audit trail, newest first.
func (a *call) audit(r *http.Request) (any, int, error) {
	var q keystore.AuditQuery
	err := eachParam(r, params{
		"key": func(value string) (err error) {
			q.Key, err = apikey.ParseRef(value)
			return err
		},
		"limit": pageLimit(&q.Limit),
		"cursor": func(value string) (err error) {
			q.Before, err = auditCursor(value)
			return err
		},
	})
	if err != nil {
		return nil, 0, err
	}
	q.Workspace, _ = a.authority.one()
	page, err := a.store.Audit(q)
	if err != nil {
		return nil, 0, err
	}
	return AuditResponse{Entries: append([]keystore.AuditEntry{}, page.Entries...), NextCursor: cursorOf(page.Next)}, http.StatusOK, nil
}

// auditCursor and cursorOf convert between a place in the audit trail and the
// cursor of a page.
func auditCursor(value string) (uint64, error) {
	n, err := strconv.ParseUint(value, 10, 64)
	if err != nil || n == 0 {
		return 0, noCursor()
	}
	return n, nil
}

func cursorOf(n uint64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatUint(n, 10)
}
