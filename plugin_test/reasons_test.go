package plugin_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/access"
)

// reasonGroups are the sets of reasons that alerts and the dashboard ask for
// together, by one of each that is in no other.
var reasonGroups = map[string]func(access.Reason) bool{
	// Of requests with a key that there is.
	"insufficient_scope": func(r access.Reason) bool {
		return !slices.Contains([]access.Reason{
			access.MethodNotAllowed, access.AmbiguousPath, access.MissingKey, access.MalformedRequest,
			access.InvalidKey, access.TooManyFailures, access.StoreUnavailable,
		}, r)
	},
	// Of guessing.
	"too_many_failures": func(r access.Reason) bool { return r == access.InvalidKey || r == access.TooManyFailures },
	// Of limits.
	"quota_exceeded": func(r access.Reason) bool {
		return r.Status() == http.StatusTooManyRequests && r != access.TooManyFailures
	},
}

// A reason that is added belongs to some of what alerts and the dashboard add up:
// their lists have all that is meant and nothing else.
func TestListsOfReasonsAreWhole(t *testing.T) {
	t.Parallel()
	found := 0
	for _, file := range []string{"deploy/alerts.yaml", "deploy/grafana-dashboard.json"} {
		text := strings.ReplaceAll(readFile(t, file), `\"`, `"`)
		for _, m := range regexp.MustCompile(`reason=~"([^"]+)"`).FindAllStringSubmatch(text, -1) {
			pattern := regexp.MustCompile("^(?:" + m[1] + ")$")
			group := ""
			for _, name := range []string{"insufficient_scope", "too_many_failures", "quota_exceeded"} {
				if group == "" && pattern.MatchString(name) {
					group = name
				}
			}
			if group == "" {
				t.Errorf("%s asks for %s, which is no group that this test knows", file, m[1])
				continue
			}
			found++
			for _, r := range access.Reasons() {
				if got, want := pattern.MatchString(r.String()), reasonGroups[group](r); got != want {
					t.Errorf("%s: %s has %s: %t; want %t", file, m[1], r, got, want)
				}
			}
		}
	}
	if found < 5 {
		t.Errorf("only %d lists were found", found)
	}
}
