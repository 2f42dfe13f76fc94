package caddymodule

import (
	"fmt"
	"slices"
	"time"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
)

// A keyAnswer is what the admin API says of a key.
type keyAnswer struct {
	Key   apikey.Record `json:"key"`
	Token string        `json:"token"`
}

func (w *world) create() {
	k := &modelKey{
		workspace: choose(w.r, "acme", "other"), scope: choose(w.r, "posts:read", "media:upload"), status: apikey.Active,
		limits: apikey.Limits{PerMinute: choose[uint32](w.r, 1, 3, 60), PerDay: choose[uint32](w.r, 4, 9, 1000)},
		use:    fresh(),
	}
	k.limits.Burst = min(k.limits.PerMinute, choose[uint32](w.r, 1, 3, 60))
	w.say("create a key of %s with %s and %+v", k.workspace, k.scope, k.limits)
	var got keyAnswer
	body := fmt.Sprintf(`{"workspace":%q,"name":"n","scopes":[%q],"limits":{"per_minute":%d,"per_day":%d,"burst":%d}}`,
		k.workspace, k.scope, k.limits.PerMinute, k.limits.PerDay, k.limits.Burst)
	if status := w.api("POST", "/keygate/keys", body, &got); status != 201 {
		w.t.Errorf("status %d", status)
		return
	}
	k.id, k.token = got.Key.ID.String(), got.Token
	w.keys = append(w.keys, k)
}

// change changes one key by the admin API.
func (w *world) change(k *modelKey) {
	final := k.status == apikey.Revoked
	expect := func(status int, method, action, body string, into any) bool {
		w.say("%s %s%s %s", method, k.id, action, body)
		if got := w.api(method, "/keygate/keys/"+k.id+action, body, into); got != status {
			w.t.Errorf("status %d, want %d", got, status)
			return false
		}
		return status < 300
	}
	changeable := func(ok int) int {
		if final {
			return 409
		}
		return ok
	}
	switch w.r.IntN(7) {
	case 0:
		expect(200, "POST", "/revoke", "", nil)
		k.status = apikey.Revoked
	case 1:
		if expect(changeable(200), "POST", "/disable", "", nil) {
			k.status = apikey.Disabled
		}
	case 2:
		if expect(changeable(200), "POST", "/enable", "", nil) {
			k.status = apikey.Active
		}
	case 3:
		scope := choose(w.r, "posts:read", "media:upload")
		if expect(changeable(200), "PATCH", "", fmt.Sprintf(`{"scopes":[%q]}`, scope), nil) {
			k.scope = scope
		}
	case 4:
		perDay := choose[uint32](w.r, 1, 5, 1000)
		if expect(changeable(200), "PATCH", "", fmt.Sprintf(`{"limits":{"per_day":%d}}`, perDay), nil) {
			k.limits.PerDay = perDay
		}
	case 5:
		w.rotate(k, expect)
	default:
		if expect(204, "DELETE", "", "", nil) {
			w.keys = slices.DeleteFunc(w.keys, func(other *modelKey) bool { return other == k })
			w.gone = append(w.gone, k)
		}
	}
}

func (w *world) rotate(k *modelKey, expect func(int, string, string, string, any) bool) {
	want := 201
	if k.statusAt(w.now()) != apikey.Active || k.replaced {
		want = 409
	}
	var got keyAnswer
	ends := w.now().Add(time.Minute).Truncate(time.Second)
	if !expect(want, "POST", "/rotate", `{"overlap":"1m"}`, &got) {
		return
	}
	next := *k
	next.id, next.token, next.use = got.Key.ID.String(), got.Token, fresh()
	w.keys = append(w.keys, &next)
	k.replaced = true
	if k.expires.IsZero() || ends.Before(k.expires) {
		k.expires = ends
	}
}

func (k *modelKey) statusAt(now time.Time) apikey.Status {
	if k.status == apikey.Active && !k.expires.IsZero() && !now.Before(k.expires) {
		return apikey.Expired
	}
	return k.status
}

func (w *world) limitWorkspace() {
	name := choose(w.r, "acme", "other")
	if w.r.IntN(3) == 0 {
		w.say("%s has no limits of its own", name)
		if status := w.api("DELETE", adminapi.WorkspacesPath+"/"+name, "", nil); status != 204 {
			w.t.Errorf("status %d", status)
		}
		delete(w.together, name)
		return
	}
	lim := apikey.WorkspaceLimits{PerDay: choose[uint32](w.r, 10, 100)}
	w.say("%s has limits %+v", name, lim)
	if status := w.api("PATCH", adminapi.WorkspacesPath+"/"+name, fmt.Sprintf(`{"limits":{"per_minute":null,"per_day":%d}}`, lim.PerDay), nil); status != 200 {
		w.t.Errorf("status %d", status)
	}
	w.together[name] = lim
}

// request sends one with a key, and holds the answer against the model.
func (w *world) request(k *modelKey) {
	w.turn()
	path, cost := "/posts", uint64(1)
	if w.r.IntN(4) == 0 {
		path, cost = "/media", 3
	}
	now := w.now()
	status, code := w.get(k.token, path)
	w.say("GET %s with %s at %s: %d %s", path, k.id, now, status, code)
	want := k.denial(path, now)
	if slices.Contains(w.gone, k) {
		want = "invalid_key"
	}
	if want != "" {
		if code != want {
			w.t.Errorf("answered %d %s, want %s", status, code, want)
		}
		return
	}
	lim, ok := w.together[k.workspace]
	if !ok {
		lim = configLimits
	}
	if k.neverHolds(cost, lim) {
		if code != "cost_too_high" {
			w.t.Errorf("answered %d %q, want cost_too_high: %d of %+v and %+v", status, code, cost, k.limits, lim)
		}
		return
	}
	today, shared := apikey.DayOf(now), w.workspaces[k.workspace]
	if !w.strict {
		w.requestAfterSetBack(k, cost, code, lim)
		return
	}
	tokens := k.use.bucket.left(k.limits.PerMinute, k.limits.Burst, now)
	minute, certain := enough(tokens, cost)
	day := k.use.chargedToday(today)+cost <= uint64(k.limits.PerDay) && shared.chargedToday(today)+cost <= uint64(lim.PerDay)
	switch {
	case !day:
		want = "quota_exceeded"
	case !minute:
		want = "rate_limited"
	}
	if !certain && day { // either is right; the answer tells
		want = code
	}
	if code != want {
		w.t.Errorf("answered %d %q, want %q, with %v tokens, %d of %d and in the workspace %d of %d charged today",
			status, code, want, tokens, k.use.today, k.limits.PerDay, shared.today, lim.PerDay)
	}
	if code == "" {
		k.use.bucket.set(tokens-float64(cost), now)
		k.use.charge(cost, time.Now())
		shared.charge(cost, time.Now())
	} else {
		k.use.bucket.set(tokens, now)
	}
}

// denial is the code of what denies a request before the limits, or "".
func (k *modelKey) denial(path string, now time.Time) string {
	switch k.statusAt(now) {
	case apikey.Revoked:
		return "key_revoked"
	case apikey.Disabled:
		return "key_disabled"
	case apikey.Expired:
		return "key_expired"
	case apikey.Active:
	}
	if (path == "/posts") != (k.scope == "posts:read") {
		return "insufficient_scope"
	}
	return ""
}

// neverHolds says whether a cost is more than one of the limits by itself.
func (k *modelKey) neverHolds(cost uint64, lim apikey.WorkspaceLimits) bool {
	for _, most := range []uint32{k.limits.Burst, k.limits.PerDay} {
		if cost > uint64(most) {
			return true
		}
	}
	return lim.PerMinute != 0 && cost > uint64(lim.PerMinute) || lim.PerDay != 0 && cost > uint64(lim.PerDay)
}

// requestAfterSetBack knows no more than this: only going forward to another
// day starts a count at nothing, and two are remembered. So what passes is
// within as many quotas.
func (w *world) requestAfterSetBack(k *modelKey, cost uint64, code string, lim apikey.WorkspaceLimits) {
	if code != "" && code != "rate_limited" && code != "quota_exceeded" {
		w.t.Errorf("answered %q", code)
	}
	if code != "" {
		return
	}
	for what, u := range map[string]*modelUse{"key": &k.use, "workspace": w.workspaces[k.workspace]} {
		perDay := uint64(k.limits.PerDay)
		if what == "workspace" {
			perDay = uint64(lim.PerDay)
		}
		u.most = max(u.most, perDay)
		if u.passed += cost; u.passed > u.most*(w.newDays+2) {
			w.t.Errorf("the %s passed %d with %d a day and %d new days", what, u.passed, u.most, w.newDays)
		}
		u.charge(cost, time.Now())
	}
}

// compare reads all that the gateway knows of keys and workspaces.
func (w *world) compare() {
	w.say("compare")
	var page adminapi.ListResponse
	if status := w.api("GET", "/keygate/keys?limit=1000", "", &page); status != 200 {
		w.t.Errorf("status %d", status)
	}
	found := make(map[string]apikey.Record)
	for _, record := range page.Keys {
		found[record.ID.String()] = record
	}
	if len(found) != len(w.keys) {
		w.t.Errorf("%d keys, want %d", len(found), len(w.keys))
	}
	for _, k := range w.keys {
		got, ok := found[k.id]
		if !ok || got.Status != k.statusAt(w.now()) || !slices.Equal(got.Scopes, []string{k.scope}) || got.Limits != k.limits || got.Workspace != k.workspace {
			w.t.Errorf("the key is %+v, want %+v", got, k)
		}
	}
	var workspaces adminapi.WorkspacesResponse
	if status := w.api("GET", adminapi.WorkspacesPath, "", &workspaces); status != 200 {
		w.t.Errorf("status %d", status)
	}
	if len(workspaces.Workspaces) != len(w.together) {
		w.t.Errorf("workspaces %+v, want %+v", workspaces.Workspaces, w.together)
	}
	var check adminapi.CheckResponse
	if status := w.api("GET", "/keygate/check", "", &check); status != 200 || len(check.Damaged) != 0 {
		w.t.Errorf("check: %d %+v", status, check)
	}
}
