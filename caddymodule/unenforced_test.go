package caddymodule

import (
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"
)

// run puts an outcome through a handler of its own that has more options.
func (o *outcome) run(t *testing.T, options string) (x exchange, asked *http.Request, token string) {
	t.Helper()
	app, handler := o.app, `{"header":"X-Key",`+outcomeRoutes+options
	if app == "" {
		app = "{}"
	}
	if o.handler != "" {
		handler += "," + o.handler
	}
	h, err := handlerOf(t, app, handler+"}")
	if err != nil {
		t.Fatal(err)
	}
	setClock(h, stopped(testStart))
	_, token = storeKey(t, h, o.key)
	if o.setUp != nil {
		o.setUp(t, h)
	}
	for range o.times {
		send(t, h, o.ask(token))
	}
	x = send(t, h, o.ask(token))
	return x, o.ask(token), token
}

// denials are what was counted of a request that is denied, without a prefix.
func (x *exchange) denialsBy(prefix string) map[string]float64 {
	by := make(map[string]float64)
	for _, reason := range access.Reasons() {
		if n := x.counted[prefix+reason.String()]; n != 0 && reason != access.Allowed {
			by[reason.String()] = n
		}
	}
	return by
}

// Whatever comes of a request where denials are in force, mode report counts the
// same for the same reason, and passes it as it came, but for keys that have
// ended, and for good ones, which have their identity.
func TestReportedOutcomes(t *testing.T) {
	for _, o := range outcomes {
		t.Run(o.name, func(t *testing.T) {
			enforced, _, _ := o.run(t, "")
			x, asked, token := o.run(t, `,"mode":"report"`)
			early := asked.TLS != nil && !asked.TLS.HandshakeComplete
			if want := enforced.denialsBy(""); !early && !reflect.DeepEqual(x.denialsBy("would "), want) {
				t.Errorf("counted %v, and enforced is denied %v", x.counted, want)
			}
			ended := strings.HasPrefix(o.name, "key_")
			good := enforced.seen != nil && enforced.placeholders["user.id"] != ""
			switch {
			case ended:
				if x.seen != nil || x.status != enforced.status || x.counted[enforced.placeholders["keygate.reason"]] != 1 {
					t.Errorf("a key that has ended is answered\n%s\nenforced\n%s", &x, &enforced)
				}
				return
			case early && strings.Contains(o.header, "TOKEN"):
				if x.seen != nil || len(x.counted) > 0 {
					t.Errorf("a key in early data is answered\n%s", &x)
				}
				return
			case strings.Contains(o.handler, "authorize"):
				yes := http.StatusNoContent
				if strings.Contains(o.handler, "ext_authz") {
					yes = http.StatusOK
				}
				if x.status != yes || x.header.Get("Socialpatra-Workspace") != enforced.header.Get("Socialpatra-Workspace") {
					t.Errorf("a front proxy is told\n%s\nenforced\n%s", &x, &enforced)
				}
				return
			}
			if x.seen == nil || x.status != http.StatusOK || x.body != "served" || x.counted["allowed"] != 1 {
				t.Fatalf("does not pass:\n%s", &x)
			}
			if text := x.String(); strings.Contains(text, token) || strings.Contains(text, wrongToken) {
				t.Errorf("there is a token in\n%s", text)
			}
			if good {
				if enforced.seen.Header.Get("Socialpatra-Key-Id") == "" || x.seen.Header.Get("Socialpatra-Workspace") != enforced.seen.Header.Get("Socialpatra-Workspace") {
					t.Errorf("a good key is passed as %v, enforced as %v", x.seen.Header, enforced.seen.Header)
				}
				if names := slices.Sorted(maps.Keys(x.header)); !slices.Equal(names, []string{"Cache-Control", "Vary"}) {
					t.Errorf("the answer to a good key has %v", x.header)
				}
				return
			}
			want := asked.Header
			for name, values := range want {
				values = slices.DeleteFunc(values, func(v string) bool { return strings.Contains(v, token) || strings.Contains(v, wrongToken) })
				if want[name] = values; len(values) == 0 || strings.HasPrefix(name, "Socialpatra-") {
					delete(want, name)
				}
			}
			if !reflect.DeepEqual(x.seen.Header, want) {
				t.Errorf("the backend sees\n%v\nwant\n%v", x.seen.Header, want)
			}
			if names := slices.Sorted(maps.Keys(x.header)); !slices.Equal(names, []string{"Content-Type"}) {
				t.Errorf("the answer has %v", x.header)
			}
			if x.placeholders["user.id"] != "" {
				t.Errorf("what passes unidentified has the placeholders %v", x.placeholders)
			}
			if would := x.placeholders["keygate.would_deny"]; would != "" && (x.accessLog["would_deny"] != would || x.span["keygate.would_deny"] != would || x.accessLog["reason"] != "allowed") {
				t.Errorf("told %v, %v and %v", x.placeholders, x.accessLog, x.span)
			}
		})
	}
}

// Keys that have ended are refused whatever the budget of failures says, and those
// of other systems that are good, or not known, pass over it alike.
func TestReportOverTheBudget(t *testing.T) {
	opaque := func(token string, change func(*apikey.Key)) func(*apikey.Key) {
		return func(k *apikey.Key) {
			k.Hash, k.Opaque = apikey.HashToken(token), true
			if change != nil {
				change(k)
			}
		}
	}
	revoked := func(k *apikey.Key) { k.RevokedAt = testStart }
	for name, test := range map[string]struct {
		credential string
		key        func(*apikey.Key)
		status     int
		would      string
	}{
		"good":                     {"TOKEN", nil, 200, ""},
		"wrong":                    {wrongToken, nil, 200, "too_many_failures"},
		"revoked":                  {"TOKEN", revoked, 429, "too_many_failures"},
		"expired":                  {"TOKEN", func(k *apikey.Key) { k.ExpiresAt = testStart }, 429, "too_many_failures"},
		"another system's":         {"12345678", opaque("12345678", nil), 200, "too_many_failures"},
		"another system's revoked": {"12345678", opaque("12345678", revoked), 429, "too_many_failures"},
		"another system's unknown": {"87654321", opaque("12345678", nil), 200, "too_many_failures"},
	} {
		t.Run(name, func(t *testing.T) {
			o := outcome{request: "GET /v1/posts", header: "Authorization: Bearer " + test.credential, handler: `"auth_failures":1`, key: test.key, setUp: func(t *testing.T, h *Handler) {
				t.Helper()
				for range 2 {
					send(t, h, httpRequest("GET", "/v1/posts", http.Header{"Authorization": bearer(wrongToken)}))
				}
			}}
			enforced, _, _ := o.run(t, "")
			x, _, _ := o.run(t, `,"mode":"report"`)
			if x.status != test.status || x.placeholders["keygate.would_deny"] != test.would || !reflect.DeepEqual(x.denialsBy("would "), enforced.denialsBy("")) {
				t.Errorf("answered\n%s\nenforced\n%s", &x, &enforced)
			}
			if identified := x.seen != nil && x.seen.Header.Get("Socialpatra-Key-Id") != ""; identified != (name == "good") {
				t.Errorf("passes as %v", x.seen.Header)
			}
		})
	}
}

// What only reports does not use up what is enforced.
func TestReportHasBudgetsOfItsOwn(t *testing.T) {
	dir := t.TempDir()
	app := `{"store":{"module":"bbolt","path":"` + dir + `/keys.db"}}`
	fields := `{"auth_failures":1,` + outcomeRoutes
	reporting, err := handlerOf(t, app, fields+`,"mode":"report"}`)
	if err != nil {
		t.Fatal(err)
	}
	enforcing, err := handlerOf(t, app, fields+"}")
	if err != nil {
		t.Fatal(err)
	}
	wrong := func(h *Handler) int {
		x := send(t, h, httpRequest("GET", "/v1/posts", http.Header{"Authorization": bearer(wrongToken)}))
		return x.status
	}
	for range 5 {
		if got := wrong(reporting); got != 200 {
			t.Fatalf("reported: %d", got)
		}
	}
	if first, second := wrong(enforcing), wrong(enforcing); first != 401 || second != 429 {
		t.Errorf("enforced: %d, then %d", first, second)
	}
}

// Whose key it is stays with a request that passes although it would be denied, in
// the log alone.
func TestWouldBeDeniedIsNobody(t *testing.T) {
	o := outcome{request: "GET /v1/write", header: bearerOnly + "; Socialpatra-Workspace: evil; SOCIALPATRA_KEY.ID: evil; Authorization: Digest x"}
	x, _, _ := o.run(t, `,"mode":"report"`)
	if x.seen == nil || len(x.seen.Header) != 1 || x.seen.Header.Get("Authorization") != "Digest x" {
		t.Errorf("the backend sees\n%s", &x)
	}
	o = outcome{request: "GET /v1/write", header: bearerOnly}
	x, _, _ = o.run(t, `,"mode":"report"`)
	if x.accessLog["workspace"] != "acme" || x.placeholders["user.workspace"] != "" || x.placeholders["user.id"] != "" || x.placeholders["user.scopes"] != "" {
		t.Errorf("told\n%s", &x)
	}
}
