package adminapi

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/ratelimit"
)

var explainNow = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// explainAdmin is the admin API of a config with two handlers, over a store
// with one key.
func explainAdmin(t *testing.T) (a *Server, limits *ratelimit.Limiter, token string, key apikey.Key) {
	t.Helper()
	store, err := keystore.OpenBolt(filepath.Join(t.TempDir(), "keys.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	token, id, hash := apikey.Generate("patra")
	key = apikey.Key{
		ID: id, Hash: hash, Prefix: apikey.Prefix("patra", id), Workspace: "acme", Name: "Zapier",
		Scopes: []string{"posts:read"}, AllowedIPs: []string{"203.0.113.0/28", "198.51.100.7"},
		Limits: apikey.Limits{PerMinute: 60, PerDay: 100, Burst: 2}, CreatedAt: explainNow, ExpiresAt: explainNow.Add(time.Hour),
	}
	if err := store.Create(key, keystore.Actor{At: explainNow, Via: "offline"}); err != nil {
		t.Fatal(err)
	}
	policy := func(routes ...access.Route) Mapping {
		table, err := access.NewTable(routes)
		if err != nil {
			t.Fatal(err)
		}
		return Mapping{Policy: access.Policy{Brand: "patra", Table: table}}
	}
	limits = ratelimit.New()
	return New(Options{
		Store: store, Brand: "patra", Now: func() time.Time { return explainNow },
		Limits: limitsOf{limits},
		Mappings: []Mapping{
			policy(access.Route{Methods: []string{"GET"}, Pattern: "/v1/posts", Scopes: access.AllOf("posts:read")}),
			policy(
				access.Route{Methods: []string{"GET"}, Pattern: "/v2/posts", Scopes: access.AllOf("posts:read")},
				access.Route{Methods: []string{"POST"}, Pattern: "/v2/posts", Scopes: access.AllOf("posts:write")},
				access.Route{Methods: []string{"GET"}, Pattern: "/v2/export", Scopes: access.AllOf("posts:read"), Cost: 3},
				access.Route{Methods: []string{"GET"}, Pattern: "/v2/status", Access: access.Public},
			),
		},
	}), limits, token, key
}

// limitsOf are limits that fail at nothing.
type limitsOf struct{ *ratelimit.Limiter }

func (limitsOf) Flush() {}

func (l limitsOf) Peek(id apikey.ID, caps ratelimit.Caps, cost int, now time.Time) (ratelimit.Result, error) {
	return l.Limiter.Peek(id, caps, cost, now), nil
}

// postExplain sends a body to explain. The error is what the admin API answers with.
func postExplain(a *Server, body string) (ExplainResponse, int, error) {
	r := httptest.NewRequest(http.MethodPost, "/keygate/explain", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	resp, status, err := (&call{Server: a}).explain(r)
	if err != nil {
		return ExplainResponse{}, statusOf(err), err
	}
	return resp.(ExplainResponse), status, nil
}

func mustExplain(t *testing.T, a *Server, req ExplainRequest) ExplainResponse {
	t.Helper()
	body, err := json.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	resp, status, err := postExplain(a, string(body))
	if err != nil || status != http.StatusOK {
		t.Fatalf("%d, %v", status, err)
	}
	return resp
}

// outcomes is a letter per check: pass, Fail, skipped.
func outcomes(resp ExplainResponse) string {
	var s string
	for _, c := range resp.Checks {
		s += map[string]string{"pass": "p", "fail": "F", "skipped": "s"}[c.Outcome]
	}
	return s
}

func TestExplain(t *testing.T) {
	a, limits, token, key := explainAdmin(t)
	id := key.ID.String()
	unknown, _, _ := apikey.Generate("patra")
	for name, test := range map[string]struct {
		req      ExplainRequest
		outcomes string
		reason   string
		status   int
	}{
		"allowed":             {ExplainRequest{Key: id, Method: "GET", Path: "/v1/posts", IP: "203.0.113.7"}, "ppppppppppp", "allowed", 200},
		"by prefix":           {ExplainRequest{Key: key.Prefix, Method: "GET", Path: "/v1/posts", IP: "::ffff:203.0.113.7"}, "ppppppppppp", "allowed", 200},
		"by token":            {ExplainRequest{Token: token, Method: "GET", Path: "/v1/posts", IP: "203.0.113.7"}, "ppppppppppp", "allowed", 200},
		"the other handler":   {ExplainRequest{Key: id, Method: "GET", Path: "/v2/posts", IP: "203.0.113.7"}, "ppppppppppp", "allowed", 200},
		"public":              {ExplainRequest{Key: id, Method: "GET", Path: "/v2/status"}, "pppssssspss", "allowed", 200},
		"wrong place, scope":  {ExplainRequest{Key: id, Method: "POST", Path: "/v2/posts", IP: "203.0.113.99"}, "ppppppFppFp", "ip_not_allowed", 403},
		"address unknown":     {ExplainRequest{Key: id, Method: "GET", Path: "/v1/posts"}, "ppppppFpppp", "ip_not_allowed", 403},
		"too late":            {ExplainRequest{Key: id, Method: "GET", Path: "/v1/posts", IP: "203.0.113.7", At: "2026-11-23T14:00:00+01:00"}, "pppppFppppp", "key_expired", 401},
		"long ago":            {ExplainRequest{Key: id, Method: "GET", Path: "/v1/posts", IP: "203.0.113.7", At: "1970-01-01T00:00:00Z"}, "ppppppppppp", "allowed", 200},
		"in centuries":        {ExplainRequest{Key: id, Method: "GET", Path: "/v1/posts", IP: "203.0.113.7", At: "2261-12-31T23:59:59Z"}, "pppppFppppp", "key_expired", 401},
		"not mapped":          {ExplainRequest{Key: id, Method: "GET", Path: "/v3", IP: "203.0.113.7"}, "ppppppppFss", "route_not_mapped", 403},
		"ambiguous":           {ExplainRequest{Key: id, Method: "GET", Path: "/v1/../posts", IP: "203.0.113.7"}, "Fpspppppsss", "ambiguous_path", 400},
		"escaped by servers":  {ExplainRequest{Key: id, Method: "GET", Path: "/v4/a|b{c", IP: "203.0.113.7"}, "ppppppppFss", "route_not_mapped", 403},
		"with a query":        {ExplainRequest{Key: id, Method: "GET", Path: "/v1/posts?a=b", IP: "203.0.113.7"}, "Fpspppppsss", "ambiguous_path", 400},
		"method":              {ExplainRequest{Key: id, Method: "TRACE", Path: "/v1/posts", IP: "203.0.113.7"}, "Fpspppppsss", "method_not_allowed", 405},
		"costs more than all": {ExplainRequest{Key: id, Method: "GET", Path: "/v2/export", IP: "203.0.113.7"}, "ppppppppppF", "cost_too_high", 429},
		"unknown token":       {ExplainRequest{Token: unknown, Method: "GET", Path: "/v1/posts"}, "ppppFssspss", "invalid_key", 401},
		"malformed":           {ExplainRequest{Token: "a, b", Method: "GET", Path: "/v1/posts"}, "pppFsssspss", "malformed_request", 400},
	} {
		t.Run(name, func(t *testing.T) {
			resp := mustExplain(t, a, test.req)
			if got := outcomes(resp); got != test.outcomes || resp.Reason != test.reason || resp.Status != test.status {
				t.Errorf("%s, %s, %d; want %s, %s, %d", got, resp.Reason, resp.Status, test.outcomes, test.reason, test.status)
			}
			for _, c := range resp.Checks {
				if failed := c.Outcome == "fail"; failed != (c.Code != "") || failed != (c.Fix != "") || c.Compared == "" {
					t.Errorf("%+v", c)
				}
			}
			if text, err := json.Marshal(resp); err != nil || apikey.ContainsToken(string(text)) {
				t.Errorf("%s, %v", text, err)
			}
		})
	}
	if keys, workspaces := limits.Drain(nil, nil); len(keys)+len(workspaces) != 0 {
		t.Errorf("explaining counted %+v, %+v", keys, workspaces)
	}
}

func TestExplainLimits(t *testing.T) {
	a, limits, _, key := explainAdmin(t)
	req := ExplainRequest{Key: key.ID.String(), Method: "GET", Path: "/v1/posts", IP: "203.0.113.7"}
	last := func() ExplainCheck {
		resp := mustExplain(t, a, req)
		return resp.Checks[len(resp.Checks)-1]
	}
	for _, want := range []ExplainCheck{
		{Outcome: "pass", Compared: "cost 1 with 2 of 2 left at once and 100 of 100 left today"},
		{Outcome: "pass", Compared: "cost 1 with 1 of 2 left at once and 99 of 100 left today"},
		{Outcome: "fail", Code: "rate_limited", Compared: "cost 1 with 0 of 2 left at once and 98 of 100 left today", Fix: "Wait 1 s, or raise the limits of the key."},
	} {
		want.Check = "limits"
		for range 3 { // explaining charges nothing
			if got := last(); got != want {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		}
		limits.Take(key.ID, ratelimit.Caps{Limits: key.Limits}, 1, explainNow)
	}
	req.Path = "/v2/export"
	if got := last(); got.Fix != "Raise the limits of the key or its workspace: the route costs more than they can ever hold." {
		t.Errorf("%+v", got)
	}
}

func TestExplainOffline(t *testing.T) {
	a, _, token, key := explainAdmin(t)
	a.mappings, a.limits = nil, nil
	req := ExplainRequest{Key: key.ID.String(), Method: "GET", Path: "/v1/posts", IP: "192.0.2.1", At: "2030-01-01T00:00:00Z"}
	if resp := mustExplain(t, a, req); outcomes(resp) != "pssppFFpsss" || resp.Reason != "key_expired" {
		t.Errorf("%s, %s", outcomes(resp), resp.Reason)
	}
	req = ExplainRequest{Token: token, Method: "GET", Path: "/v1/posts", IP: "203.0.113.7"}
	if resp := mustExplain(t, a, req); outcomes(resp) != "psspppppsss" || resp.Reason != "allowed" {
		t.Errorf("%s, %s", outcomes(resp), resp.Reason)
	}
}

func TestExplainRefuses(t *testing.T) {
	a, _, token, key := explainAdmin(t)
	id := key.ID.String()
	for name, test := range map[string]struct {
		body   string
		status int
		want   string
	}{
		"no key":        {`{"method":"GET","path":"/"}`, 400, "key: is missing"},
		"key and token": {`{"method":"GET","path":"/","key":"` + id + `","token":"` + token + `"}`, 400, "key: is given together with token"},
		"no method":     {`{"path":"/","key":"` + id + `"}`, 400, "method: is missing"},
		"no path":       {`{"method":"GET","key":"` + id + `"}`, 400, "path: is missing"},
		"no ID":         {`{"method":"GET","path":"/","key":"x"}`, 400, `id: "x" is not a key ID`},
		"token as key":  {`{"method":"GET","path":"/","key":"` + token + `"}`, 400, "id: "},
		"unknown ID":    {`{"method":"GET","path":"/","key":"7Hk2Qp9aX3bC"}`, 404, "no such key"},
		"address":       {`{"method":"GET","path":"/","key":"` + id + `","ip":"203.0.113.0/28"}`, 400, `ip: "203.0.113.0/28" is not an address`},
		"zone":          {`{"method":"GET","path":"/","key":"` + id + `","ip":"fe80::1%eth0"}`, 400, "ip: "},
		"time":          {`{"method":"GET","path":"/","key":"` + id + `","at":"tomorrow"}`, 400, `at: "tomorrow" is not a time that is accepted`},
		"time too late": {`{"method":"GET","path":"/","key":"` + id + `","at":"2300-01-01T00:00:00Z"}`, 400, "at: "},
		"unknown field": {`{"method":"GET","path":"/","key":"` + id + `","cost":1}`, 400, "cost: is not a member"},
	} {
		t.Run(name, func(t *testing.T) {
			_, status, err := postExplain(a, test.body)
			if err == nil || status != test.status || !strings.Contains(err.Error(), test.want) || apikey.ContainsToken(err.Error()) {
				t.Errorf("%d, %v; want %d, %s", status, err, test.status, test.want)
			}
		})
	}
}

// A path is judged in the form that the gateway judges: that of the URL which the
// server makes of the request line. What the server refuses stays as it is.
func TestExplainPathIsThatOfTheServer(t *testing.T) {
	paths := []string{"", "*", "v1", "//a", "/é", "/%zz", "/%7b{", "/%2f", "/a%2fb|", "/%41{", "http://h.example/a|b", "mailto:a"}
	for c := byte(' '); c <= '~'; c++ {
		paths = append(paths, "/v1/a"+string(c)+"b", "/"+string(c), fmt.Sprintf("/%%%02x%c", c, c))
	}
	for _, path := range paths {
		want := path
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + path + " HTTP/1.1\r\nHost: h.example\r\n\r\n")))
		switch {
		case err != nil || strings.Contains(path, "?"): // explain takes no query
		case r.URL.Opaque != "":
			want = ""
		default:
			want = r.URL.EscapedPath()
		}
		if got := gatewayPath(path); got != want {
			t.Errorf("%q: got %q, want %q (%v)", path, got, want, err)
		}
	}
}
