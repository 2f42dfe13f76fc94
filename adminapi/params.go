package adminapi

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// params says what to do with each parameter of an operation.
type params map[string]func(value string) error

// cursorParam is the one parameter that may be empty: the next_cursor of the last
// page is empty, and an empty cursor means the first page.
const cursorParam = "cursor"

// eachParam reads the query of a request. It refuses a query that does not parse,
// parameters that the operation does not have, and parameters that are empty or
// given twice.
func eachParam(r *http.Request, known params) error {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return queryError(err)
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		read, ok := known[name]
		values := query[name]
		switch {
		case !ok:
			return &apikey.FieldError{Field: apikey.Quote(name), Problem: "is not a parameter", Accepted: known.names()}
		case len(values) > 1:
			return &apikey.FieldError{Field: name, Problem: "is given more than once", Accepted: "one value"}
		case values[0] == "" && name == cursorParam:
			continue
		case values[0] == "":
			return &apikey.FieldError{Field: name, Problem: "is empty", Accepted: "a value; leave the parameter out otherwise"}
		}
		if err := read(values[0]); err != nil {
			return err
		}
	}
	return nil
}

func (p params) names() string {
	if len(p) == 0 {
		return "no parameters"
	}
	return strings.Join(slices.Sorted(maps.Keys(p)), ", ")
}

// queryError says why a query does not parse.
func queryError(err error) error {
	problem := "does not parse"
	if escape, ok := errors.AsType[url.EscapeError](err); ok {
		problem = apikey.Quote(string(escape)) + " is not a percent-encoded byte"
	} else if strings.Contains(err.Error(), "semicolon") { // net/url has no error type for it
		problem = "has a semicolon that is not percent-encoded"
	}
	return &apikey.FieldError{Field: "query", Problem: problem, Accepted: "name=value, with & between several, percent-encoded"}
}

// errTokenInURL refuses a URL that contains a token. By then Caddy's admin endpoint
// has logged the URL, and a site may have.
var errTokenInURL = &apikey.FieldError{
	Field:    "id",
	Problem:  "the URL holds a whole token, which is secret and may be in a log now; rotate its key if others can read that log",
	Accepted: "the ID of a key or its prefix",
}

// tokenInURL looks for a token in the path, in the query as it was sent and, if it
// parses, in the unescaped query.
func tokenInURL(u *url.URL) bool {
	query, err := url.QueryUnescape(u.RawQuery)
	return apikey.ContainsToken(u.Path) || apikey.ContainsToken(u.RawQuery) || err == nil && apikey.ContainsToken(query)
}

// number reads a whole number from 1 to most.
func number(value, field string, most int) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > most {
		return 0, &apikey.FieldError{Field: field, Problem: apikey.Quote(value) + " is not accepted", Accepted: fmt.Sprintf("1–%d", most)}
	}
	return n, nil
}

// pageLimit reads the maximum number of entries on a page.
func pageLimit(dst *int) func(value string) error {
	return func(value string) (err error) {
		*dst, err = number(value, "limit", keystore.MaxPage)
		return err
	}
}

// noCursor refuses a cursor that no page returned.
func noCursor() error {
	return &apikey.FieldError{Field: cursorParam, Problem: "is not a cursor", Accepted: "the next_cursor of the page before"}
}
