package adminapi

import (
	"testing"
	"time"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/apitest"
	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/ratelimit"
)

// An explanation has what the workspace has left, the origin of the request, and
// says where limits are not known.
func TestExplainWhatElseThereIs(t *testing.T) {
	a, _, _, key := explainAdmin(t)
	table, err := access.NewTable([]access.Route{
		{Methods: []string{"GET"}, Pattern: "/v1/posts", Scopes: access.AllOf("posts:read"), Cost: 2},
		{Methods: []string{"GET"}, Pattern: "/v1/secret", Access: access.Denied},
	})
	if err != nil {
		t.Fatal(err)
	}
	a.mappings = []Mapping{{Policy: access.Policy{Brand: "patra", Table: table}}}
	_, err = a.store.Update(key.ID, "update", keystore.Actor{At: explainNow}, func(k *apikey.Key) error {
		k.AllowedOrigins, k.AllowedIPs = []string{"https://shop.example"}, nil
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	minute, day := ratelimit.Balance{Limit: 9, Remaining: 4}, ratelimit.Balance{Limit: 90, Remaining: 40}
	var result ratelimit.Result
	var failure error
	a.limits = peeked{&result, &failure}
	for _, test := range []struct {
		path, origin string
		result       ratelimit.Result
		failure      error
		reason       string
		want         ExplainCheck
	}{
		{
			"/v1/posts", "https://shop.example",
			ratelimit.Result{Allowed: true, Minute: minute, Day: day, WorkspaceMinute: minute, WorkspaceDay: day},
			nil, "allowed",
			ExplainCheck{Outcome: "pass", Compared: "cost 2 with 6 of 9 left at once and 42 of 90 left today, in the workspace 6 of 9 left at once, in the workspace 42 of 90 left today"},
		},
		{
			"/v1/posts", "https://shop.example",
			ratelimit.Result{Minute: minute, Day: day, WorkspaceMinute: minute, MinuteExhausted: true, RetryAfter: 7},
			nil, "rate_limited",
			ExplainCheck{Outcome: "fail", Code: "rate_limited", Compared: "cost 2 with 4 of 9 left at once and 40 of 90 left today, in the workspace 4 of 9 left at once", Fix: "Wait 7 s, or raise the limits of the key."},
		},
		{
			"/v1/posts", "https://other.example",
			ratelimit.Result{Allowed: true, Minute: minute, Day: day},
			nil, "origin_not_allowed",
			ExplainCheck{Outcome: "pass", Compared: "cost 2 with 6 of 9 left at once and 42 of 90 left today"},
		},
		{
			"/v1/secret", "https://shop.example",
			ratelimit.Result{},
			nil, "route_not_mapped",
			ExplainCheck{Outcome: "skipped", Compared: "the route is denied, so nothing is charged"},
		},
		{
			"/v1/posts", "https://shop.example",
			ratelimit.Result{},
			apitest.ErrPlug, "store_unavailable",
			ExplainCheck{Outcome: "fail", Code: "store_unavailable", Compared: "the engine that keeps the limits does not answer", Fix: "See why in the log of Caddy."},
		},
	} {
		result, failure = test.result, test.failure
		resp := mustExplain(t, a, ExplainRequest{Key: key.ID.String(), Method: "GET", Path: test.path, Origin: test.origin})
		test.want.Check = "limits"
		if got := resp.Checks[len(resp.Checks)-1]; got != test.want || resp.Reason != test.reason {
			t.Errorf("%s: %+v\nwant %s: %+v", resp.Reason, got, test.reason, test.want)
		}
	}
}

// A change of one limit leaves the others, also a burst that is not the size of
// a minute; a key is made with the limits that its request has.
func TestAPIChangesOneLimit(t *testing.T) {
	s := serveAPI(t)
	id, made, _ := s.create(`"limits":{"per_minute":7,"burst":3}`)
	if want := (apikey.Limits{PerMinute: 7, PerDay: apikey.DefaultPerDay, Burst: 3}); made.Key.Limits != want {
		t.Errorf("%+v", made.Key.Limits)
	}
	for _, step := range []struct {
		body string
		want apikey.Limits
	}{
		{`{"limits":{"per_day":9}}`, apikey.Limits{PerMinute: 7, PerDay: 9, Burst: 3}},
		{`{"limits":{"per_minute":20}}`, apikey.Limits{PerMinute: 20, PerDay: 9, Burst: 3}},
		{`{"name":"x"}`, apikey.Limits{PerMinute: 20, PerDay: 9, Burst: 3}},
		{`{"limits":{"burst":20}}`, apikey.Limits{PerMinute: 20, PerDay: 9, Burst: 20}},
		{`{"limits":{"per_minute":30}}`, apikey.Limits{PerMinute: 30, PerDay: 9, Burst: 30}},
		{`{"limits":{}}`, apikey.Limits{PerMinute: 30, PerDay: 9, Burst: 30}},
	} {
		if got := s.send(keyURL("PATCH", id), step.body).want(t, 200).record(t).Limits; got != step.want {
			t.Errorf("%s: %+v, want %+v", step.body, got, step.want)
		}
	}
	s.send("GET /keygate/keys?cursor=x", "").want(t, 400, "cursor: is not a cursor; accepted: the next_cursor of the page before")
	s.send("POST /keygate/keys", `{"workspace":"a","name":"n","scopes":["posts:reed"]}`).want(t, 400, "scopes: ", "posts:read?")
	s.send("POST /keygate/keys", `{"workspace":"a","name":"n","scopes":["posts:reed"],"allow_unknown_scope":true}`).want(t, 201)
	s.send("POST /keygate/keys", `{"name":"n","scopes":["posts:read"]}`).want(t, 400, "workspace: ")
}

// peeked are limits of which what is left is told.
type peeked struct {
	result  *ratelimit.Result
	failure *error
}

func (p peeked) Peek(apikey.ID, ratelimit.Caps, int, time.Time) (ratelimit.Result, error) {
	return *p.result, *p.failure
}

func (peeked) Forget(apikey.ID)  {}
func (peeked) Rewatch(apikey.ID) {}
func (peeked) Flush()            {}
