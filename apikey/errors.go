package apikey

import (
	"strconv"
	"strings"
)

// FieldError is a refusal of one setting. Its text is one line that names the
// field, what is wrong with the value, and the form that would be accepted:
//
//	scopes: "posts:wrte" is not a known scope (did you mean posts:write?)
//
// It quotes what the caller sent, escaped and shortened, and never a token.
type FieldError struct {
	Field    string // as in the JSON record, such as "allowed_ips"
	Problem  string
	Accepted string // empty where Problem says it all
}

func (e *FieldError) Error() string {
	if e.Accepted == "" {
		return e.Field + ": " + e.Problem
	}
	return e.Field + ": " + e.Problem + "; accepted: " + e.Accepted
}

// Quote shows a refused value on one line: escaped, and cut after 64 bytes so
// that a megabyte of input does not become a megabyte of error. What contains
// a token, or much of one, is not shown at all: people paste secrets into the
// wrong field.
func Quote(s string) string {
	if resemblesToken(s) {
		return "<a token>"
	}
	const most = 64
	if len(s) > most {
		return strconv.QuoteToASCII(strings.ToValidUTF8(s[:most], "�")) + "…"
	}
	return strconv.QuoteToASCII(s)
}
