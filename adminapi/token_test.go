package adminapi

import (
	"strings"
	"testing"
)

// A URL that holds a token is refused. Who serves the API may have logged it before:
// Caddy's admin endpoint does, and a site does if its config says so.
func TestAPITokenInURL(t *testing.T) {
	s := serveAPI(t)
	for _, operation := range servedOperations(wholeToken) {
		if strings.Contains(operation, wholeToken) {
			got := s.send(operation, "").want(t, 400, "whole token", "log", "rotate", "prefix")
			if strings.Contains(got.body, wholeToken[19:]) {
				t.Errorf("%s repeats the token", operation)
			}
		}
		for _, query := range []string{"key=" + wholeToken, "cursor=" + wholeToken, "workspace=" + wholeToken, wholeToken, "x=%70" + wholeToken[1:]} {
			if !strings.Contains(operation, wholeToken) {
				s.send(operation+"?"+query, "").want(t, 400, "whole token", "log", "rotate")
			}
		}
	}
	s.send("GET /keygate/workspaces/"+wholeToken, "").want(t, 400, "whole token", "may be in a log now; rotate its key if others can read that log")
}
