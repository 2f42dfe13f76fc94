package adminapi

import (
	"net/url"
	"strings"
	"testing"
)

// A token that lost its beginning or its end in copying is secret too. Whatever
// part of a request it is pasted into, no answer repeats the secret.
func TestAPIRepeatsNoPartOfAToken(t *testing.T) {
	s := serveAPI(t)
	id, _, _ := s.create()
	secret := wholeToken[19:]
	for _, pasted := range []string{wholeToken[:len(wholeToken)-1], wholeToken[:len(wholeToken)-12], wholeToken[6:], wholeToken[3:] + "x", "x " + wholeToken[:len(wholeToken)-7]} {
		for _, body := range []string{`{"` + pasted + `":1}`, `{"limits":{"` + pasted + `":1}}`} {
			if got := s.send("POST /keygate/keys", body).want(t, 400); strings.Contains(got.body, secret[:8]) {
				t.Errorf("%s: %s", body, got.body)
			}
		}
		for _, member := range []string{"method", "path", "origin", "ip", "at", "key", "token"} {
			body := strings.Replace(`{"key":"`+id+`","method":"GET","path":"/v1/invoices","`+member+`":"`+pasted+`"}`, `"`+member+`":"GET",`, "", 1)
			if got := s.send("POST /keygate/explain", body); got.status != 200 && strings.Contains(got.body, secret[:8]) {
				t.Errorf("%s: %d %s", body, got.status, got.body)
			}
		}
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
