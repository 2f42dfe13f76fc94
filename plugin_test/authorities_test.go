package plugin_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
)

// authoritySite has four authorities over the same keys. The test itself is what
// signs people in: it alone sends the two headers.
const authoritySite = `{
	keygate {
		store bbolt ./data/keygate.db
	}
}
:{$PORT} {
	keygate_console {
		base /full
		workspace {http.request.header.X-Workspace}
		actor {http.request.header.X-User}
		page off
	}
	keygate_console {
		base /some
		workspace {http.request.header.X-Workspace}
		actor {http.request.header.X-User}
		scopes posts:read
		expiry default=30d max=90d required
		per_minute default=10 max=60
		keys max=4
		page off
	}
	keygate_console {
		base /look
		workspace {http.request.header.X-Workspace}
		actor {http.request.header.X-User}
		may list usage history
		page off
	}
	keygate_console {
		base /all
		workspace *
		actor {http.request.header.X-User}
		page off
	}
	respond 404
}
`

// modelKey is what the model of [TestAuthorities] knows of a key.
type modelKey struct {
	id, workspace, scopes string
	minute                int
	never                 bool // it does not expire
	expired               bool
	revoked, rotated      bool
	disabled              bool
}

// within reports whether the key is within the bounds of /some.
func (k *modelKey) within() bool { return k.scopes == "posts:read" && k.minute <= 60 && !k.never }

func (m *authorities) live(workspace string) (n int) {
	for _, k := range m.keys {
		if k.workspace == workspace && !k.revoked && !k.expired {
			n++
		}
	}
	return n
}

// authorities is a gateway, and what its keys must be.
type authorities struct {
	*gateway
	t      *testing.T
	random *rand.Rand
	keys   map[string]*modelKey // by ID
}

var modelWorkspaces = []string{"acme", "globex", "acme2"}

// Whatever three workspaces do through four authorities and the admin endpoint, in
// any order: each call does what the model says, and nothing in other workspaces.
// Whatever is asked about a key of another workspace is answered as if it were a
// key of nobody, to the byte.
func TestAuthorities(t *testing.T) {
	t.Parallel()
	const calls = 400
	m := &authorities{gateway: startCaddy(t, authoritySite), t: t, random: rand.New(rand.NewPCG(20, 13)), keys: make(map[string]*modelKey)}
	statuses := make(map[int]int)
	for n := range calls {
		statuses[m.step(n)]++
		if t.Failed() {
			t.FailNow()
		}
	}
	for _, status := range []int{200, 201, 204, 403, 404, 409} {
		if statuses[status] == 0 {
			t.Errorf("no call was answered %d: %v", status, statuses)
		}
	}
}

// as sends a call as a member of a workspace.
func (m *authorities) as(base, workspace, method, path, body string) response {
	m.t.Helper()
	if base == "" {
		return m.adminDo(m.t, method, "/keygate"+path, body)
	}
	headers := []string{"X-Workspace: " + workspace, "X-User: lee"}
	if body != "" {
		headers = append(headers, "Content-Type: application/json")
	}
	return m.do(m.t, method, base+"/api"+path, body, headers...)
}

// step makes a call and compares all that it says and does with the model.
func (m *authorities) step(n int) int {
	m.t.Helper()
	base := []string{"/full", "/full", "/some", "/some", "/look", "/all", ""}[m.random.IntN(7)]
	workspace := modelWorkspaces[m.random.IntN(len(modelWorkspaces))]
	var target *modelKey
	if ids := slices.Sorted(maps.Keys(m.keys)); len(ids) > 0 {
		target = m.keys[ids[m.random.IntN(len(ids))]]
	}
	verb := []string{"create", "create", "create", "show", "update", "update", "rotate", "disable", "enable", "revoke", "delete", "usage", "explain", "history", "review"}[m.random.IntN(15)]
	if target == nil {
		verb = "create"
	}
	call := m.newCall(verb, workspace, target)
	want := m.status(base, workspace, &call)
	got := m.as(base, workspace, call.method, call.path, call.body)
	where := fmt.Sprintf("call %d, %s in %s by %s%s %s", n, verb, workspace, base, call.path, call.body)
	if got.Status != want {
		m.t.Errorf("%s: %d, want %d: %s", where, got.Status, want, got.Body)
		return got.Status
	}
	if verb != "create" && target.workspace != workspace && base != "/all" && base != "" {
		m.wantAsOfNobody(where, base, workspace, &call, got)
	}
	m.note(&call, workspace, got)
	m.compareLists(where)
	return got.Status
}

type modelCall struct {
	verb, method, path, body string
	target                   *modelKey
	scopes                   string
	minute                   int
	never                    bool // the new expiry is none
	overlap                  bool
}

func (m *authorities) newCall(verb, workspace string, target *modelKey) modelCall {
	c := modelCall{verb: verb, target: target, scopes: []string{"posts:read", "posts:read", "posts:write"}[m.random.IntN(3)], minute: []int{5, 50, 500}[m.random.IntN(3)], never: m.random.IntN(4) == 0}
	path := ""
	if target != nil {
		path = "/keys/" + target.id
	}
	switch verb {
	case "create":
		expiry := `"expires_in_days":20`
		if c.never {
			expiry = `"expires_at":null`
		}
		c.method, c.path = "POST", "/keys"
		c.body = fmt.Sprintf(`{"workspace":%q,"name":"n","scopes":[%q],"limits":{"per_minute":%d},%s}`, workspace, c.scopes, c.minute, expiry)
	case "show":
		c.method, c.path = "GET", path
	case "update":
		c.method, c.path = "PATCH", path
		c.body = fmt.Sprintf(`{"scopes":[%q],"limits":{"per_minute":%d},"expires_in_days":20}`, c.scopes, c.minute)
	case "delete":
		c.method, c.path = "DELETE", path
	case "usage":
		c.method, c.path = "GET", path+"/usage"
	case "history":
		c.method, c.path = "GET", "/audit?key="+target.id
	case "review":
		c.method, c.path = "GET", "/review?key="+target.id
	case "explain":
		c.method, c.path, c.body = "POST", "/explain", fmt.Sprintf(`{"key":%q,"method":"GET","path":"/v1/posts"}`, target.id)
	case "rotate":
		c.overlap = m.random.IntN(2) == 0
		c.method, c.path, c.body = "POST", path+"/rotate", fmt.Sprintf(`{"overlap":%q}`, map[bool]string{true: "24h", false: "0s"}[c.overlap])
	default:
		c.method, c.path = "POST", path+"/"+verb
	}
	return c
}

// status is what the model expects.
func (m *authorities) status(base, workspace string, c *modelCall) int {
	if base == "/look" && !slices.Contains([]string{"show", "usage", "history", "review"}, c.verb) {
		return http.StatusForbidden
	}
	everywhere := base == "/all" || base == ""
	k := c.target
	if c.verb == "create" {
		if base == "/some" && (c.scopes != "posts:read" || c.minute > 60 || c.never || m.live(workspace) >= 4) {
			return http.StatusForbidden
		}
		return http.StatusCreated
	}
	if c.verb == "history" { // of another workspace it is empty
		return http.StatusOK
	}
	if !everywhere && k.workspace != workspace {
		return http.StatusNotFound
	}
	switch c.verb {
	case "update", "disable", "enable":
		if k.revoked {
			return http.StatusConflict
		}
	case "rotate":
		if k.revoked || k.disabled || k.expired || k.rotated {
			return http.StatusConflict
		}
	}
	if base == "/some" {
		switch c.verb {
		case "update":
			if c.scopes != "posts:read" || c.minute > 60 || k.expired && m.live(workspace) >= 4 {
				return http.StatusForbidden
			}
		case "enable":
			if !k.within() {
				return http.StatusForbidden
			}
		case "rotate":
			if !k.within() || c.overlap && m.live(workspace) >= 4 {
				return http.StatusForbidden
			}
		}
	}
	switch c.verb {
	case "delete":
		return http.StatusNoContent
	case "rotate":
		return http.StatusCreated
	}
	return http.StatusOK
}

// note brings the model up to date with a call that was answered as it says.
func (m *authorities) note(c *modelCall, workspace string, got response) {
	m.t.Helper()
	if got.Status >= 300 {
		return
	}
	k := c.target
	switch c.verb {
	case "create":
		made := m.made(got)
		m.keys[made] = &modelKey{id: made, workspace: workspace, scopes: c.scopes, minute: c.minute, never: c.never}
	case "update":
		k.scopes, k.minute, k.never, k.expired = c.scopes, c.minute, false, false
	case "rotate":
		next := *k
		next.id = m.made(got)
		m.keys[next.id] = &next
		k.rotated, k.never, k.expired = true, false, !c.overlap
	case "disable", "enable":
		k.disabled = c.verb == "disable"
	case "revoke":
		k.revoked = true
	case "delete":
		delete(m.keys, k.id)
	}
}

// made returns the ID of a key in the answer that made it.
func (m *authorities) made(got response) string {
	m.t.Helper()
	var answer struct {
		Key key
	}
	if err := json.Unmarshal([]byte(got.Body), &answer); err != nil || answer.Key.ID == "" {
		m.t.Fatalf("%v: %s", err, got.Body)
	}
	return answer.Key.ID
}

// compareLists holds what each workspace is shown, and what all of them have,
// against the model.
func (m *authorities) compareLists(where string) {
	m.t.Helper()
	var all []string
	for _, workspace := range modelWorkspaces {
		var want []string
		for _, k := range m.keys {
			if k.workspace == workspace {
				want = append(want, k.id)
			}
		}
		slices.Sort(want)
		all = append(all, want...)
		if got := m.listed("/full", workspace); !slices.Equal(got, want) {
			m.t.Errorf("%s: %s is shown %q, and has %q", where, workspace, got, want)
		}
	}
	slices.Sort(all)
	if got := m.listed("/all", ""); !slices.Equal(got, all) {
		m.t.Errorf("%s: the operator is shown %q of %q", where, got, all)
	}
}

func (m *authorities) listed(base, workspace string) (ids []string) {
	m.t.Helper()
	got := m.as(base, workspace, "GET", "/keys?limit=1000", "")
	var list struct{ Keys []key }
	if err := json.Unmarshal([]byte(got.Body), &list); err != nil || got.Status != http.StatusOK {
		m.t.Fatalf("%d %s: %v", got.Status, got.Body, err)
	}
	for _, k := range list.Keys {
		ids = append(ids, k.ID)
	}
	return ids
}

// wantAsOfNobody makes the call again for a key that nobody has.
func (m *authorities) wantAsOfNobody(where, base, workspace string, c *modelCall, got response) {
	m.t.Helper()
	const nobody = "000000000000"
	fill := strings.NewReplacer(c.target.id, nobody)
	other := m.as(base, workspace, c.method, fill.Replace(c.path), fill.Replace(c.body))
	for _, r := range []response{got, other} {
		r.Header.Del("Date")
	}
	if got.Status != other.Status || fill.Replace(got.Body) != other.Body || fmt.Sprint(got.Header) != fmt.Sprint(other.Header) {
		m.t.Errorf("%s: a key of another workspace is answered\n%d %v %s\nand one of nobody\n%d %v %s", where, got.Status, got.Header, got.Body, other.Status, other.Header, other.Body)
	}
}

// A hundred creations at once leave as many keys as a workspace may have.
func TestCreationsAtOnce(t *testing.T) {
	t.Parallel()
	g := startCaddy(t, strings.Replace(authoritySite, "max=4", "max=25", 1))
	var sent sync.WaitGroup
	made := make([]int, 100)
	for i := range made {
		sent.Go(func() {
			made[i] = g.do(t, "POST", "/some/api/keys", `{"name":"n","scopes":["posts:read"]}`, "X-Workspace: acme", "X-User: lee", "Content-Type: application/json").Status
		})
	}
	sent.Wait()
	slices.Sort(made)
	if made[24] != 201 || made[25] != 403 || made[99] != 403 {
		t.Errorf("100 creations are answered %v", made)
	}
	m := &authorities{gateway: g, t: t}
	if ids := m.listed("/full", "acme"); len(ids) != 25 {
		t.Errorf("%d keys are there", len(ids))
	}
}
