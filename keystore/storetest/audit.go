package storetest

import (
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

func auditOf(t *testing.T, s keystore.Store, id apikey.ID) []keystore.AuditEntry {
	t.Helper()
	page, err := s.Audit(keystore.AuditQuery{Key: id})
	if err != nil {
		t.Fatalf("audit of %q: %v", id, err)
	}
	return page.Entries
}

// wantActions fails unless these are all actions on a key, newest first; of
// any key for the zero ID.
func wantActions(t *testing.T, s keystore.Store, id apikey.ID, want ...string) {
	t.Helper()
	var got []string
	for _, e := range auditOf(t, s, id) {
		got = append(got, e.Action)
	}
	if !slices.Equal(got, want) {
		t.Errorf("audit of %q: %q; want %q", id, got, want)
	}
}

func testAudit(t *testing.T, f Factory) {
	s := f.New(t)
	actor := keystore.Actor{At: now.Add(time.Minute), Via: "api 127.0.0.1:51234"}
	k := newKey(t, 1)
	k.AllowedIPs = []string{"203.0.113.7"}
	if err := s.Create(k, actor); err != nil {
		t.Fatal(err)
	}
	create(t, s, newKey(t, 2))
	update(t, s, keyID(1), "update", func(k *apikey.Key) {
		k.Name, k.Limits.PerMinute, k.AllowedIPs = "renamed", 90, nil
	})
	update(t, s, keyID(1), "revoke", revoke)
	if err := s.Delete(keyID(1), by, nil); err != nil {
		t.Fatal(err)
	}

	entries := auditOf(t, s, keyID(1))
	wantChanges := []string{ // newest first
		`{"allowed_ips":absent,"created_at":{"from":"2026-11-23T09:00:00Z","to":null},"name":{"from":"renamed","to":null}}`,
		`{"revoked_at":{"from":null,"to":"2026-11-23T10:00:00Z"},"status":{"from":"active","to":"revoked"},"name":absent}`,
		`{"allowed_ips":{"from":["203.0.113.7"],"to":[]},` +
			`"limits":{"from":{"per_minute":60,"per_day":10000,"burst":60},"to":{"per_minute":90,"per_day":10000,"burst":60}},` +
			`"name":{"from":"Zapier","to":"renamed"},"scopes":absent,"status":absent}`,
		`{"allowed_ips":{"from":null,"to":["203.0.113.7"]},"name":{"from":null,"to":"Zapier"},` +
			`"scopes":{"from":null,"to":["posts:read"]},"workspace":{"from":null,"to":"acme"},"description":absent,"id":absent}`,
	}
	if len(entries) != len(wantChanges) {
		t.Fatalf("%d entries; want %d", len(entries), len(wantChanges))
	}
	for i, e := range entries {
		checkChanges(t, e, wantChanges[i])
		if e.Key != keyID(1) || i > 0 && e.Seq >= entries[i-1].Seq {
			t.Errorf("entry %d is of %s and has sequence %d", i, e.Key, e.Seq)
		}
	}
	if first := entries[3]; !first.At.Equal(actor.At) || first.Via != actor.Via || first.Action != "create" {
		t.Errorf("first entry: %+v", first)
	}
	wantActions(t, s, apikey.ID{}, "delete", "revoke", "update", "create", "create")
	wantActions(t, s, keyID(2), "create")
	wantActions(t, s, keyID(3))
}

// checkChanges compares the fields that want names, some of them as absent.
func checkChanges(t *testing.T, e keystore.AuditEntry, want string) {
	t.Helper()
	var wanted map[string]any
	if err := json.Unmarshal([]byte(strings.ReplaceAll(want, ":absent", `:"absent"`)), &wanted); err != nil {
		t.Fatal(err)
	}
	for field, change := range wanted {
		have, ok := e.Changes[field]
		if change == "absent" {
			if ok {
				t.Errorf("%s names %s: %v", e.Action, field, have)
			}
			continue
		}
		if got, want := canonical(t, have), canonical(t, change); got != want {
			t.Errorf("%s changes %s: %s; want %s", e.Action, field, got, want)
		}
	}
}

// canonical returns JSON with sorted fields.
func canonical(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var plain any
	if err := json.Unmarshal(text, &plain); err != nil {
		t.Fatal(err)
	}
	if text, err = json.Marshal(plain); err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func testAuditPages(t *testing.T, f Factory) {
	s := f.New(t)
	const n = keystore.DefaultPage + 3
	create(t, s, newKey(t, 1), newKey(t, 2), newKey(t, 3))
	for i := range n {
		update(t, s, keyID(2), "update", func(k *apikey.Key) { k.Limits.PerDay = uint32(i) + 1 })
	}
	for _, q := range []keystore.AuditQuery{{}, {Key: keyID(2)}} {
		total := n + 1
		if q.Key.IsZero() {
			total = n + 3
		}
		if page, err := s.Audit(q); err != nil || len(page.Entries) != keystore.DefaultPage {
			t.Errorf("%+v: %d entries, %v", q, len(page.Entries), err)
		}
		q.Limit = keystore.MaxPage
		page, err := s.Audit(q)
		if err != nil || len(page.Entries) != total || page.Next != 0 {
			t.Fatalf("%+v: %d entries, next %d, %v; want %d, none", q, len(page.Entries), page.Next, err, total)
		}
		all := page.Entries
		var paged []keystore.AuditEntry
		for q.Limit = 10; ; q.Before = page.Next {
			if page, err = s.Audit(q); err != nil {
				t.Fatal(err)
			}
			paged = append(paged, page.Entries...)
			if page.Next == 0 {
				break
			}
		}
		same := slices.EqualFunc(paged, all, func(a, b keystore.AuditEntry) bool { return a.Seq == b.Seq })
		if !same || !slices.IsSortedFunc(paged, func(a, b keystore.AuditEntry) int { return int(b.Seq) - int(a.Seq) }) {
			t.Errorf("%+v: pages of ten are not the whole", q)
		}
		q.Before, q.Limit = all[len(all)-1].Seq, 0
		if page, err = s.Audit(q); err != nil || len(page.Entries) != 0 || page.Next != 0 {
			t.Errorf("before the first: %d entries, next %d, %v", len(page.Entries), page.Next, err)
		}
	}
}

func testAuditSecret(t *testing.T, f Factory) {
	s := f.New(t)
	k := fullKey(t, 1)
	for i := range k.Hash {
		k.Hash[i] = byte(i) | 0x80
	}
	create(t, s, k)
	update(t, s, k.ID, "update", func(k *apikey.Key) { k.Name = "renamed" })
	if err := s.Delete(k.ID, by, nil); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(auditOf(t, s, k.ID))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{hex.EncodeToString(k.Hash[:8]), "hash", "sha256", "gIGCg4SFhoc"} {
		if strings.Contains(strings.ToLower(string(text)), strings.ToLower(secret)) {
			t.Errorf("the audit trail holds %q", secret)
		}
	}
}
