package console

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/review"
)

// pageSize is how many keys the list shows at once.
const pageSize = 50

// listFilter is what the visitor looks for, as the form of the list has it.
type listFilter struct {
	Query, Status, Filter, Scope, Sort, CreatedBy, Workspace string
	cursor                                                   string
}

func filterOf(q url.Values) *listFilter {
	return &listFilter{
		Query: q.Get("q"), Status: q.Get("status"), Filter: q.Get("filter"), Scope: q.Get("scope"), Sort: q.Get("sort"),
		CreatedBy: q.Get("created_by"), Workspace: q.Get("workspace"), cursor: q.Get("cursor"),
	}
}

// narrows reports whether the list leaves anything out.
func (f *listFilter) narrows() bool {
	return f.Query != "" || f.More() || f.Status != ""
}

// More reports whether it is narrowed by what is shown only on demand.
func (f *listFilter) More() bool {
	return f.Filter != "" || f.Scope != "" || f.CreatedBy != "" || f.Workspace != ""
}

// attention are the filters for keys that somebody should look at: what the
// visitor chooses, what it asks of the API, and its words.
var attention = []struct {
	choice
	parameter, value string
}{
	{choice{"expiring", "Expire within 30 days"}, "expiring", "30d"},
	{choice{"idle", "Not used for 90 days"}, "idle", "90d"},
	{choice{"never_used", "Never used"}, "never_used", "true"},
	{choice{"no_expiry", "Never expire"}, "no_expiry", "true"},
}

// choice is one of several values, and what it is called.
type choice struct{ Value, Label string }

var (
	statusChoices = []choice{{"", "Any status"}, {"active", "Active"}, {"disabled", "Disabled"}, {"expired", "Expired"}, {"revoked", "Revoked"}}
	sortChoices   = []choice{{"", "Name"}, {"created", "Oldest first"}, {"expires", "Next to expire"}, {"last-used", "Longest unused"}}
)

func attentionChoices() []choice {
	list := []choice{{"", "All keys"}}
	for _, a := range attention {
		list = append(list, a.choice)
	}
	return list
}

// check refuses an unknown filter. The API judges the rest.
func (f *listFilter) check() error {
	if slices.ContainsFunc(attentionChoices(), func(c choice) bool { return c.Value == f.Filter }) {
		return nil
	}
	return &apikey.FieldError{Field: "filter", Problem: apikey.Quote(f.Filter) + " is not a filter", Accepted: "one of the choices under Show"}
}

// apiQuery returns the query that asks the API for these keys.
func (f *listFilter) apiQuery(all bool) url.Values {
	q := url.Values{"limit": {strconv.Itoa(pageSize)}, "sort": {"name"}}
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	set("name", f.Query)
	set("status", f.Status)
	set("scope", f.Scope)
	set("created_by", f.CreatedBy)
	set("sort", f.Sort)
	set("cursor", f.cursor)
	for _, a := range attention {
		if a.Value == f.Filter {
			q.Set(a.parameter, a.value)
		}
	}
	if all {
		set("workspace", f.Workspace)
	}
	return q
}

// link returns the query of the list's own URL for another page of the same list.
func (f *listFilter) link(cursor string) string {
	q := make(url.Values)
	for name, value := range map[string]string{
		"q": f.Query, "status": f.Status, "filter": f.Filter, "scope": f.Scope, "sort": f.Sort, "created_by": f.CreatedBy, "workspace": f.Workspace, "cursor": cursor,
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if len(q) == 0 {
		return "/"
	}
	return "/?" + q.Encode()
}

// listPage is the list of keys.
type listPage struct {
	shell
	Filter     *listFilter
	Narrowed   bool
	Problem    string // why the filter cannot be used
	Statuses   []choice
	Attention  []choice
	Sorts      []choice
	Scopes     []string
	Rows       []listRow
	Later      bool   // this is not the first page
	First      string // link to the first page
	Next       string // link to the next page; "" on the last
	Full       bool   // the workspace has as many keys as it may
	Live, Max  int
	Bounded    bool
	Usage      bool        // use is shown
	NoPowers   bool        // the visitor may not even see keys
	Leaks      []leakedKey // of all keys those of which the secret leaked, and which work nevertheless
	LeaksMore  bool        // there are more
	Ending     int         // keys that end within 30 days, or EndingMore if there are more
	EndingMore bool
}

type listRow struct {
	apikey.Record
	Status    status
	Expires   expiry
	Used      moment
	Spark     spark
	Leak      *leak // reports that its secret leaked; nil: there are none, or the visitor may not see them
	FewScopes []string
	More      int // scopes that are not shown
}

// fewScopes is how many scopes a row shows.
const fewScopes = 2

func (v *visit) list() error {
	page := listPage{
		shell: v.shell(v.title), Filter: filterOf(v.r.URL.Query()), Statuses: statusChoices, Attention: attentionChoices(), Sorts: sortChoices,
		Scopes: v.policy.Scopes, Usage: v.may(adminapi.VerbUsage), NoPowers: !v.may(adminapi.VerbList),
	}
	page.Narrowed, page.Later, page.First = page.Filter.narrows(), page.Filter.cursor != "", page.Filter.link("")
	page.quota(&v.policy)
	if page.NoPowers {
		return v.show(http.StatusOK, "list", page)
	}
	resp, err := v.keysOf(page.Filter)
	if field, ok := errors.AsType[*apikey.FieldError](err); ok {
		page.Problem = capital(fieldOfList(field.Field)) + ": " + sentence(field.Problem, field.Accepted)
		return v.show(http.StatusUnprocessableEntity, "list", page)
	}
	if err != nil {
		return err
	}
	if resp.NextCursor != "" {
		page.Next = page.Filter.link(resp.NextCursor)
	}
	for i := range resp.Keys {
		row, err := v.listRow(&resp.Keys[i])
		if err != nil {
			return err
		}
		page.Rows = append(page.Rows, row)
	}
	if err = v.warnOfLeaks(&page); err != nil {
		return err
	}
	if !page.Narrowed && !page.Later {
		if page.Ending, page.EndingMore, err = v.ending(); err != nil {
			return err
		}
	}
	return v.show(http.StatusOK, "list", page)
}

// warnOfLeaks adds the keys that leaked and still work: of all keys those with a new
// report, and of the rows those with an older one, too.
func (v *visit) warnOfLeaks(page *listPage) (err error) {
	if page.Leaks, err = v.leaking(); err != nil && !keystore.IsFailure(err) {
		return err
	}
	for i := range page.Rows {
		row := &page.Rows[i]
		isTold := slices.ContainsFunc(page.Leaks, func(k leakedKey) bool { return k.ID == row.ID })
		if row.Leak != nil && row.Status.Name == apikey.Active && !isTold {
			page.Leaks = append(page.Leaks, leakedKey{row.Record, row.Leak})
		}
	}
	if page.LeaksMore = len(page.Leaks) > mostLeaks; page.LeaksMore {
		page.Leaks = page.Leaks[:mostLeaks]
	}
	return nil
}

// keysOf returns a page of the keys that the visitor looks for.
func (v *visit) keysOf(f *listFilter) (adminapi.ListResponse, error) {
	if err := f.check(); err != nil {
		return adminapi.ListResponse{}, err
	}
	return ask[adminapi.ListResponse](v, adminapi.KeysPath+"?"+f.apiQuery(v.all()).Encode())
}

// mostEnding is up to how many keys that end soon are counted.
const mostEnding = 100

// ending counts the keys that the filter for those that expire soon would show.
func (v *visit) ending() (n int, more bool, err error) {
	f := listFilter{Filter: "expiring"}
	q := f.apiQuery(false)
	q.Set("limit", strconv.Itoa(mostEnding))
	q.Del("sort")
	resp, err := ask[adminapi.ListResponse](v, adminapi.KeysPath+"?"+q.Encode())
	return len(resp.Keys), resp.NextCursor != "", err
}

// quota says how many keys the workspace has of those that it may have.
func (p *listPage) quota(policy *adminapi.PolicyResponse) {
	if policy.Keys.Max != nil && policy.Keys.Live != nil {
		p.Bounded, p.Live, p.Max = true, *policy.Keys.Live, *policy.Keys.Max
		p.Full = p.Live >= p.Max
	}
}

func (v *visit) listRow(k *apikey.Record) (listRow, error) {
	row := listRow{Record: *k, Status: statusOf(k.Status), Expires: v.expiry(k), Used: v.moment(k.LastUsedAt, "Never"), FewScopes: k.Scopes}
	if len(k.Scopes) > fewScopes+1 {
		row.FewScopes, row.More = k.Scopes[:fewScopes], len(k.Scopes)-fewScopes
	}
	var err error
	if row.Leak, err = v.leakOf(k.ID); err != nil && !keystore.IsFailure(err) { // of which the page of the key tells
		return row, err
	}
	if !v.may(adminapi.VerbUsage) {
		return row, nil
	}
	days, err := v.usage(k.ID.String(), sparkDays)
	if isMissing(err) || keystore.IsFailure(err) {
		row.Spark = spark{Words: "Use cannot be read", Empty: true} // deleted meanwhile, or one damaged record
		return row, nil
	}
	row.Spark = sparkOf(days)
	return row, err
}

const sparkDays = 30

// fieldOfList is what the list calls a parameter of the API.
func fieldOfList(parameter string) string {
	switch parameter {
	case "name":
		return "search"
	case "created_by":
		return "made by"
	case "scope":
		return "access"
	case "filter":
		return "show"
	case "cursor":
		return "this page of the list"
	}
	return parameter
}

// status is that of a key, with its name and the picture beside it.
type status struct {
	Name  apikey.Status
	Label string
}

func statusOf(s apikey.Status) status { return status{s, capital(string(s))} }

// expiry is when a key ends, and whether that is near.
type expiry struct {
	moment
	Soon bool
}

// Moment returns when it is.
func (e expiry) Moment() moment { return e.moment }

func (v *visit) expiry(k *apikey.Record) expiry {
	if k.Status == apikey.Revoked {
		return expiry{moment: moment{Text: "–"}} // it has ended already
	}
	e := expiry{moment: v.moment(k.ExpiresAt, "Never")}
	e.Soon = k.ExpiresAt != nil && k.Status == apikey.Active && k.ExpiresAt.Sub(v.at) <= review.ExpiringDays*day
	return e
}
