package caddymodule

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// params says what to do with each parameter that a resource has.
type params map[string]func(value string) error

// eachParam reads the query of a request. An empty value is as none at all.
func eachParam(r *http.Request, known params) error {
	for name, values := range r.URL.Query() {
		read, ok := known[name]
		switch {
		case !ok:
			return &apikey.FieldError{Field: printable(name), Problem: "is not a parameter", Accepted: strings.Join(slices.Sorted(maps.Keys(known)), ", ")}
		case len(values) > 1:
			return &apikey.FieldError{Field: name, Problem: "is given more than once"}
		case values[0] == "":
			continue
		}
		if err := read(values[0]); err != nil {
			return err
		}
	}
	return nil
}

// number reads a whole number from 1 to most.
func number(value, field string, most int) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > most {
		return 0, &apikey.FieldError{Field: field, Problem: printable(value) + " is not accepted", Accepted: fmt.Sprintf("1–%d", most)}
	}
	return n, nil
}

// pageLimit reads how many entries a page has at most.
func pageLimit(dst *int) func(value string) error {
	return func(value string) (err error) {
		*dst, err = number(value, "limit", keystore.MaxPage)
		return err
	}
}

// noCursor refuses a cursor that no page gave.
func noCursor() error {
	return &apikey.FieldError{Field: "cursor", Problem: "is not a cursor", Accepted: "the next_cursor of the page before"}
}

// printable shows what a caller sent on one line, and no token.
func printable(s string) string {
	if apikey.ContainsToken(s) {
		return "<a token>"
	}
	if len(s) > 64 {
		s = s[:64]
	}
	return strconv.QuoteToASCII(s)
}
