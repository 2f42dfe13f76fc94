package adminapi

import (
	"net/url"
	"strings"
	"testing"
)

// A token that lost its beginning or its end in copying is secret too. Whatever
// part of a query it is pasted into, no answer repeats the secret.
func TestAPIRepeatsNoPartOfATokenInAQuery(t *testing.T) {
	s := serveAPI(t)
	id, _, _ := s.create()
	secret := wholeToken[19:]
	for _, pasted := range []string{wholeToken[:len(wholeToken)-1], wholeToken[:len(wholeToken)-12], wholeToken[6:], wholeToken[3:] + "x", "x " + wholeToken[:len(wholeToken)-7]} {
		for _, operation := range servedOperations(id) {
			if !strings.HasPrefix(operation, "GET ") {
				continue
			}
			queries := []string{url.QueryEscape(pasted) + "=1", url.QueryEscape(pasted)}
			for name := range s.parameters(operation, id) {
				queries = append(queries, name+"="+url.QueryEscape(pasted))
			}
			for _, query := range queries {
				if got := s.send(operation+"?"+query, ""); strings.Contains(got.body, secret[:8]) {
					t.Errorf("%s?%s: %d %s", operation, query, got.status, got.body)
				}
			}
		}
	}
}
