package caddymodule

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/socialpatra/keygate/apikey"
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
