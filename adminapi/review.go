package adminapi

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/review"
)

// ReviewResponse has the keys about which there is something to do, in the order
// of their IDs. A page looks at a bounded number of keys, so there may be more
// although it has few or none: NextCursor is "" only after the last key.
type ReviewResponse struct {
	Keys       []ReviewedKey `json:"keys"`
	NextCursor string        `json:"next_cursor"`
}

// ReviewedKey is a key with what was found about it.
type ReviewedKey struct {
	ID        apikey.ID        `json:"id"`
	Prefix    string           `json:"prefix"`
	Workspace string           `json:"workspace"`
	Name      string           `json:"name"`
	Status    apikey.Status    `json:"status"`
	Findings  []review.Finding `json:"findings"`
}

// review finds keys that could do with less. A caller that may not see the use of
// keys is told of none.
func (a *call) review(r *http.Request) (any, int, error) {
	q := keystore.Query{Now: a.now(), Limit: keystore.DefaultPage}
	var one apikey.ID
	cursor, others := "", ""
	note := func(name string, read func(string) error) func(string) error {
		return func(value string) error {
			others = name
			return read(value)
		}
	}
	err := eachParam(r, params{
		"key": func(value string) (err error) {
			one, err = apikey.ParseRef(value)
			return err
		},
		"workspace": note("workspace", func(value string) error {
			q.Workspace = value
			return apikey.CheckWorkspace(value)
		}),
		"limit": note("limit", pageLimit(&q.Limit)),
		cursorParam: note(cursorParam, func(value string) error {
			cursor = value
			return nil
		}),
	})
	switch {
	case err != nil:
		return nil, 0, err
	case !one.IsZero() && others != "":
		return nil, 0, &apikey.FieldError{Field: others, Problem: "goes with no key", Accepted: "key alone, or the others without it"}
	case !one.IsZero():
		return a.reviewOne(one)
	}
	if err := readCursor(cursor, &q); err != nil {
		return nil, 0, err
	}
	if workspace, ok := a.authority.one(); ok {
		if q.Workspace != "" && q.Workspace != workspace {
			return ReviewResponse{Keys: []ReviewedKey{}}, http.StatusOK, nil
		}
		q.Workspace = workspace
	}
	resp, err := a.reviewPage(q)
	return resp, http.StatusOK, err
}

func (a *call) reviewOne(id apikey.ID) (any, int, error) {
	if err := a.find(id); err != nil {
		return nil, 0, err
	}
	k, err := a.store.Get(id)
	if err != nil {
		return nil, 0, err
	}
	a.flush()
	page := keystore.Page{Keys: []apikey.Key{k}, LastUsed: make([]time.Time, 1)}
	page.LastUsed[0], err = a.store.LastUsed(id)
	if errors.Is(err, keystore.ErrDamaged) {
		page.Damaged, err = []apikey.ID{id}, nil
	}
	if err != nil {
		return nil, 0, err
	}
	found, err := a.reviewed(&page, 1, a.now())
	return ReviewResponse{Keys: append([]ReviewedKey{}, found...)}, http.StatusOK, err
}

// reviewPage fills a page. Its cursor is the ID of the last key that was looked
// at, so that no key is left out or told twice, whatever changes between pages.
func (a *call) reviewPage(q keystore.Query) (ReviewResponse, error) {
	resp := ReviewResponse{Keys: []ReviewedKey{}}
	most := q.Limit
	q.Limit = keystore.MaxPage // to be looked at
	a.flush()
	page, err := a.store.List(q)
	if err != nil {
		return resp, err
	}
	resp.NextCursor = page.Next.String()
	found, err := a.reviewed(&page, most, q.Now)
	if err != nil {
		return resp, err
	}
	resp.Keys = append(resp.Keys, found...)
	if n := len(found); n == most && found[n-1].ID != page.Keys[len(page.Keys)-1].ID {
		resp.NextCursor = found[n-1].ID.String()
	}
	return resp, nil
}

// reviewed returns the first keys of a page about which there is something to do.
func (a *call) reviewed(page *keystore.Page, most int, now time.Time) (list []ReviewedKey, err error) {
	limits, err := a.reviewLimits()
	if err != nil {
		return nil, err
	}
	ids := make([]apikey.ID, len(page.Keys))
	for i := range page.Keys {
		ids[i] = page.Keys[i].ID
	}
	seen, err := a.store.Seen(ids)
	if err != nil {
		return nil, err
	}
	for i := 0; i < len(page.Keys) && len(list) < most; i++ {
		k := &page.Keys[i]
		facts := review.Facts{Key: k, LastUsed: page.LastUsed[i], LastUnknown: slices.Contains(page.Damaged, k.ID), Seen: seen[i]}
		if !limits.NoUse && facts.NeedsUse(now) {
			if err := a.addUse(&facts, now); err != nil {
				return nil, err
			}
		}
		if found := review.Of(&facts, limits, now); len(found) > 0 {
			list = append(list, ReviewedKey{k.ID, k.Prefix, k.Workspace, k.Name, k.Status(now), found})
		}
	}
	return list, nil
}

// addUse reads the use of a key by day. What is damaged is not known, and must
// not hide the other keys; a check tells of it.
func (a *call) addUse(f *review.Facts, now time.Time) (err error) {
	today := apikey.DayOf(now)
	read := func(id apikey.ID) ([]apikey.Usage, error) {
		days, err := a.store.Usage(id, today-review.IdleDays+1, today)
		if errors.Is(err, keystore.ErrDamaged) {
			return nil, nil
		}
		return days, err
	}
	if f.Use, err = read(f.Key.ID); err != nil {
		return err
	}
	if account := f.Key.Account; !account.IsZero() && account != f.Key.ID {
		f.AccountUse, err = read(account)
	}
	return err
}

// reviewLimits are what the caller may follow of suggestions.
func (a *call) reviewLimits() (review.Limits, error) {
	if a.authority == nil {
		return review.Limits{}, nil
	}
	b := a.authority.Bounds
	if err := b.Normalize(); err != nil {
		return review.Limits{}, err
	}
	return review.Limits{
		ExpiryDays: b.Expiry.Default, MaxExpiryDays: b.Expiry.Max,
		NoIPs: b.IPs == Forbidden, NoUse: !slices.Contains(a.authority.May, VerbUsage),
	}, nil
}
