package plugin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

// record is a key as the admin API shows it, without what requests change.
type record map[string]any

func (r record) id() string { return r["id"].(string) }

// held is a key as one client left it: what the gateway acknowledged last.
type held struct {
	record record
	token  string // "": the answer with it did not arrive
	gone   bool   // deleted
}

// change is one call of a client that changes keys.
type change struct {
	method, path, body string

	key  *held // what it changes; nil for a creation
	name string

	// after is what it makes of the key's record, where got has what the
	// gateway chooses: times and IDs. nil: nothing is left.
	after func(before, got record) record
}

// keyClient changes keys of its own, one after another, and knows what must
// have become of them.
type keyClient struct {
	name     string
	rng      *rand.Rand
	keys     []*held
	made     int
	inFlight *change // was sent, and not acknowledged
	acked    int
}

// choose returns a change that would be accepted. Those with edits are all
// there are; without them it is one after which the gateway does not save
// counts at once.
func (c *keyClient) choose(edits bool) change {
	var live []*held
	for _, h := range c.keys {
		if !h.gone && h.token != "" && h.record["status"] != "revoked" {
			live = append(live, h)
		}
	}
	kinds := []string{"create", "create", "rotate", "delete"}
	if edits {
		kinds = append(kinds, "update", "update", "revoke", "disable", "enable")
	}
	kind := kinds[c.rng.IntN(len(kinds))]
	if len(live) < 3 {
		kind = "create"
	}
	if kind == "create" {
		return c.create()
	}
	h := live[c.rng.IntN(len(live))]
	path := "/keygate/keys/" + h.record.id()
	set := func(fields record, chosen ...string) func(record, record) record {
		return func(before, got record) record {
			after := maps.Clone(before)
			maps.Copy(after, fields)
			for _, field := range chosen {
				after[field] = got[field]
			}
			return after
		}
	}
	c.made++
	switch kind {
	case "update":
		name := fmt.Sprintf("%s update %d", c.name, c.made)
		return change{"PATCH", path, `{"name":"` + name + `","description":"` + name + `"}`, h, name, set(record{"name": name, "description": name})}
	case "revoke":
		return change{"POST", path + "/revoke", "", h, "", set(record{"status": "revoked"}, "revoked_at")}
	case "delete":
		return change{"DELETE", path, "", h, "", nil}
	case "rotate":
		if h.record["status"] == "active" && h.record["replaced_by"] == "" {
			return change{"POST", path + "/rotate", `{"overlap":"0s"}`, h, "", set(record{"status": "expired"}, "expires_at", "replaced_by")}
		}
		return c.create()
	default:
		// It must make a difference: what is disabled is enabled.
		if h.record["status"] == "disabled" {
			status := "active"
			if h.record["expires_at"] != nil {
				status = "expired"
			}
			return change{"POST", path + "/enable", "", h, "", set(record{"status": status})}
		}
		return change{"POST", path + "/disable", "", h, "", set(record{"status": "disabled"})}
	}
}

func (c *keyClient) create() change {
	c.made++
	name := fmt.Sprintf("%s key %d", c.name, c.made)
	return change{
		"POST", "/keygate/keys", `{"workspace":"` + c.name + `","name":"` + name + `","scopes":["posts:read"],"limits":{"per_minute":1000000,"per_day":1000000000}}`,
		nil, name, func(_, got record) record { return got },
	}
}

// send makes a change and notes what the gateway acknowledged. An error is
// that no answer came.
func (c *keyClient) send(ctx context.Context, t testing.TB, g *gateway, do change) error {
	c.inFlight = &do
	headers := []string{"Content-Type: application/json"}
	if do.body == "" {
		headers = nil
	}
	resp, err := attempt(ctx, g.admin, do.method, "http://"+g.Admin+do.path, do.body, headers)
	if err != nil {
		return err
	}
	c.inFlight = nil
	c.acked++
	if resp.Status/100 != 2 {
		return fmt.Errorf("%s %s: %d %s", do.method, do.path, resp.Status, resp.Body)
	}
	var created struct {
		Key   record
		Token string
	}
	var got record
	switch {
	case do.after == nil:
		do.key.gone = true
		return nil
	case resp.Status == 201:
		if err := json.Unmarshal([]byte(resp.Body), &created); err != nil {
			return err
		}
		c.keys = append(c.keys, &held{record: plain(created.Key), token: created.Token})
		if do.key == nil {
			return nil
		}
		// What the predecessor expires at is not in the answer.
		do.key.record = do.after(do.key.record, record{"expires_at": anyTime, "replaced_by": created.Key.id()})
	default:
		if err := json.Unmarshal([]byte(resp.Body), &got); err != nil {
			return err
		}
		want := do.after(do.key.record, got)
		if do.key.record["expires_at"] == anyTime {
			want["expires_at"] = got["expires_at"]
		}
		if got = plain(got); !reflect.DeepEqual(got, want) {
			t.Errorf("%s %s answered\n%v, want\n%v", do.method, do.path, got, want)
		}
		do.key.record = got
	}
	return nil
}

// anyTime stands for a time that no answer told yet.
const anyTime = "any time"

func plain(r record) record {
	delete(r, "last_used_at")
	return r
}

// like reports whether a record is the one that is wanted.
func like(got, want record) bool {
	if want["expires_at"] == anyTime && got["expires_at"] != nil {
		want = maps.Clone(want)
		want["expires_at"] = got["expires_at"]
	}
	return reflect.DeepEqual(got, want)
}

// settle compares what a store has after a crash with what the client was
// told, and takes from it whether the change in flight was made. It removes
// its keys from found.
func (c *keyClient) settle(t testing.TB, found map[string]record) {
	t.Helper()
	in := c.inFlight
	c.inFlight = nil
	for _, h := range c.keys {
		id := h.record.id()
		got, there := found[id]
		delete(found, id)
		ofThis := in != nil && in.key == h
		switch {
		case h.gone && !there, !h.gone && there && like(got, h.record):
		case ofThis && !h.gone && in.after == nil && !there:
			h.gone = true
			continue
		case ofThis && !h.gone && in.after != nil && there && like(got, in.after(h.record, got)):
			// A rotation makes its successor in the same step.
			if next, rotated := got["replaced_by"].(string); rotated && next != h.record["replaced_by"] {
				successor := found[next]
				if successor["rotated_from"] != id || successor["name"] != got["name"] {
					t.Fatalf("%s was rotated, and its successor is %v", id, successor)
				}
				c.keys = append(c.keys, &held{record: successor})
				delete(found, next)
			}
		case !h.gone && !there:
			t.Errorf("the key %s is gone; acknowledged: %v; in flight: %+v", id, h.record, in)
			continue
		case h.gone:
			t.Errorf("the deleted key %s is there again: %v", id, got)
			continue
		default:
			t.Errorf("the key %s is\n%v, acknowledged:\n%v; in flight: %+v", id, got, h.record, in)
		}
		if there {
			h.record = got
		}
	}
	if in == nil || in.key != nil {
		return
	}
	for id, got := range found {
		if got["name"] == in.name {
			c.keys = append(c.keys, &held{record: got})
			delete(found, id)
		}
	}
}

// verdicts are what the gateway must say to a request with a key in a status.
var verdicts = map[string]string{"revoked": "key_revoked", "disabled": "key_disabled", "expired": "key_expired", "": "invalid_key"}

// check sends a request with a key. An error is that no answer came.
func (h *held) check(ctx context.Context, t testing.TB, g *gateway) error {
	t.Helper()
	if h.token == "" {
		return nil
	}
	status, _ := h.record["status"].(string)
	if h.gone {
		status = ""
	}
	resp, err := attempt(ctx, g.client, "GET", g.URL+"/v1/posts", "", []string{bearer(h.token)})
	if err != nil {
		return err
	}
	var p problem
	if status == "active" {
		if resp.Status != 200 {
			t.Errorf("the key %s is active, and answered %d %s", h.record.id(), resp.Status, resp.Body)
		}
	} else if err := json.Unmarshal([]byte(resp.Body), &p); err != nil || resp.Status != 401 || p.Code != verdicts[status] {
		t.Errorf("the key %s (%q, deleted: %t) is answered %d %s, want %s", h.record.id(), status, h.gone, resp.Status, resp.Body, verdicts[status])
	}
	return nil
}

// allRecords reads all keys of the gateway.
func (g *gateway) allRecords(t testing.TB) map[string]record {
	t.Helper()
	found := make(map[string]record)
	for cursor := ""; ; {
		var page struct {
			Keys       []record
			NextCursor string `json:"next_cursor"`
		}
		resp := g.adminDo(t, "GET", "/keygate/keys?limit=1000&cursor="+cursor, "")
		if err := json.Unmarshal([]byte(resp.Body), &page); err != nil || resp.Status != 200 {
			t.Fatalf("list: %d %s", resp.Status, resp.Body)
		}
		for r := range slices.Values(page.Keys) {
			found[r.id()] = plain(r)
		}
		if cursor = page.NextCursor; cursor == "" {
			return found
		}
	}
}
