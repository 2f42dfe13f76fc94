package adminapi

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// listQuery reads which keys a list asks for, and in which order. A caller of one
// workspace asks for that one unless the query names another.
func (a *call) listQuery(r *http.Request) (keystore.Query, error) {
	q := keystore.Query{Now: a.now()}
	cursor := ""
	err := eachParam(r, params{
		"workspace": func(value string) error {
			q.Workspace = value
			return apikey.CheckWorkspace(value)
		},
		"status": func(value string) error {
			q.Status = apikey.Status(value)
			return oneOf("status", "a status", q.Status, apikey.Statuses())
		},
		"scope": func(value string) error {
			q.Scope = value
			return about("scope", apikey.CheckScope(value))
		},
		"created_by": func(value string) error {
			q.CreatedBy = value
			return about("created_by", apikey.CheckActor(value))
		},
		"name": func(value string) error {
			q.Name = value
			return checkPart(value)
		},
		"expiring":   span("expiring", &q.Expiring),
		"idle":       span("idle", &q.Idle),
		"no_expiry":  yes("no_expiry", &q.NoExpiry),
		"never_used": yes("never_used", &q.NeverUsed),
		"sort": func(value string) error {
			q.Sort = keystore.Sort(value)
			return oneOf("sort", "an order", q.Sort, keystore.Sorts())
		},
		"limit": pageLimit(&q.Limit),
		cursorParam: func(value string) error {
			cursor = value
			return nil
		},
	})
	if workspace, ok := a.authority.one(); ok && q.Workspace == "" {
		q.Workspace = workspace
	}
	if err == nil {
		err = readCursor(cursor, &q) // which depends on all others
	}
	return q, err
}

// oneOf refuses a value that is none of some words.
func oneOf[T ~string](field, what string, value T, words []T) error {
	if slices.Contains(words, value) {
		return nil
	}
	accepted := make([]string, len(words))
	for i, word := range words {
		accepted[i] = string(word)
	}
	last := len(accepted) - 1
	return &apikey.FieldError{Field: field, Problem: apikey.Quote(string(value)) + " is not " + what, Accepted: strings.Join(accepted[:last], ", ") + " or " + accepted[last]}
}

// about names the parameter in an error that names the field of a key.
func about(parameter string, err error) error {
	if field, ok := errors.AsType[*apikey.FieldError](err); ok {
		return &apikey.FieldError{Field: parameter, Problem: field.Problem, Accepted: field.Accepted}
	}
	return err
}

// checkPart refuses what is part of no name, ID or prefix. It takes a space at
// either end, and a part of a character that is drawn from several.
func checkPart(text string) error {
	var problem string
	switch {
	case apikey.ContainsToken(text):
		problem = "holds a whole token, which is secret"
	case !utf8.ValidString(text):
		problem = "is not valid UTF-8"
	case utf8.RuneCountInString(text) > apikey.MaxNameLen:
		problem = fmt.Sprintf("has %d characters", utf8.RuneCountInString(text))
	case strings.ContainsFunc(text, unicode.IsControl):
		problem = "has a control character"
	default:
		return nil
	}
	return &apikey.FieldError{Field: "name", Problem: problem, Accepted: fmt.Sprintf("up to %d characters of a name, or the beginning of an ID or a prefix", apikey.MaxNameLen)}
}

// yes reads a filter that is on or not there.
func yes(field string, dst *bool) func(value string) error {
	return func(value string) error {
		if *dst = value == "true"; !*dst {
			return &apikey.FieldError{Field: field, Problem: apikey.Quote(value) + " is not accepted", Accepted: "true; leave the parameter out otherwise"}
		}
		return nil
	}
}

// span reads a time of 1 minute to 3650 days.
func span(field string, dst *time.Duration) func(value string) error {
	return func(value string) error {
		d, ok := parseSpan(value)
		if *dst = d; !ok || d > maxSpan {
			return &apikey.FieldError{Field: field, Problem: apikey.Quote(value) + " is not a duration that is accepted", Accepted: fmt.Sprintf("1m to %dd, such as 30d, 36h or 1d12h", apikey.MaxExpiryDays)}
		}
		return nil
	}
}

const (
	day     = 24 * time.Hour
	maxSpan = apikey.MaxExpiryDays * day
)

// parseSpan reads a duration of whole days, hours and minutes.
func parseSpan(text string) (d time.Duration, ok bool) {
	for _, unit := range []struct {
		mark   string
		length time.Duration
	}{{"d", day}, {"h", time.Hour}, {"m", time.Minute}} {
		count, rest, found := strings.Cut(text, unit.mark)
		if !found {
			continue
		}
		n, err := number(count, "", int(maxSpan/unit.length))
		if err != nil || count[0] < '0' || count[0] > '9' {
			return 0, false
		}
		d, text, ok = d+time.Duration(n)*unit.length, rest, true
	}
	return d, ok && text == ""
}
