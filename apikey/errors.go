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
	Accepted string // empty if Problem says everything
}

func (e *FieldError) Error() string {
	if e.Accepted == "" {
		return e.Field + ": " + e.Problem
	}
	return e.Field + ": " + e.Problem + "; accepted: " + e.Accepted
}

// Quote shows a refused value on one line. It escapes the value and cuts it after
// 64 bytes, so that a megabyte of input does not become a megabyte of error. A
// value that contains a token, or much of one, is not shown at all: people paste
// secrets into the wrong field.
func Quote(s string) string {
	if ResemblesToken(s) {
		return "<a token>"
	}
	const most = 64
	if len(s) > most {
		return strconv.QuoteToASCII(strings.ToValidUTF8(s[:most], "�")) + "…"
	}
	return strconv.QuoteToASCII(s)
}

// Nearest returns the candidate that s is most likely a misspelling of, or "" if
// none is near enough: at most a third of the letters may be wrong. Of several
// candidates that are equally near it returns the first.
func Nearest(s string, candidates []string) string {
	if len(s) > MaxScopeLen {
		return ""
	}
	s = strings.ToLower(strings.TrimSpace(s))
	best, least := "", len(s)/3+1
	for _, c := range candidates {
		if d := editDistance(s, c); d < least {
			best, least = c, d
		}
	}
	return best
}

// editDistance returns how many bytes have to be inserted, deleted, replaced or
// swapped with their neighbour to turn a into b (optimal string alignment).
func editDistance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replaced := last[j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			row[j] = min(replaced, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
