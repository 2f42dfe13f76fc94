package caddymodule

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// object is JSON as it is, whatever the program takes it for.
type object = map[string]any

// eachKind are keys of which each differs from those beside it in every field,
// in the order of their IDs, with the lines that an export must have of them.
// Times are far from the present, so that their status is the same for long.
func eachKind(t *testing.T, n int) (keys []apikey.Key, lines []object) {
	t.Helper()
	id := func(i int) string { return fmt.Sprintf("7Hk2Qp9%05d", i) }
	for i := range n {
		token := fmt.Sprintf("token %d", i)
		hash := apikey.HashToken(token)
		line := object{
			"id":              id(i),
			"prefix":          "patra_" + id(i),
			"workspace":       fmt.Sprintf("w%d", i%7),
			"name":            fmt.Sprintf("key %d <&>", i),
			"description":     strings.Repeat("d", i%5),
			"scopes":          []any{"posts:read"},
			"status":          "active",
			"created_at":      apiStart.Add(-time.Duration(i) * time.Minute).Format(time.RFC3339),
			"expires_at":      nil,
			"revoked_at":      nil,
			"last_used_at":    nil,
			"limits":          object{"per_minute": float64(i + 2), "per_day": float64(i + 3), "burst": float64(i + 1)},
			"allowed_origins": []any{},
			"allowed_ips":     []any{},
			"rotated_from":    "",
			"replaced_by":     "",
			"disabled":        false,
			"hash":            "sha256:" + hex.EncodeToString(hash[:]),
		}
		if i%2 == 1 {
			line["scopes"] = []any{"media:upload", "posts:write"}
			line["allowed_origins"] = []any{fmt.Sprintf("https://s%d.example", i)}
		}
		if i%3 == 1 {
			line["allowed_ips"] = []any{fmt.Sprintf("10.%d.%d.0/24", i/256, i%256)}
			line["expires_at"] = "2100-01-02T03:04:05Z"
		}
		switch i % 11 {
		case 2:
			line["expires_at"], line["status"] = "2020-01-02T03:04:05Z", "expired"
		case 3:
			line["disabled"], line["status"] = true, "disabled"
		case 4:
			line["revoked_at"], line["status"] = "2026-11-20T03:04:05Z", "revoked"
		case 5:
			line["token_format"] = "opaque"
		case 6:
			line["rotated_from"], line["replaced_by"] = id(i+n), id(i+2*n)
		}
		lines = append(lines, line)

		when := func(name string) (at time.Time) {
			if text, ok := line[name].(string); ok {
				var err error
				if at, err = time.Parse(time.RFC3339, text); err != nil {
					t.Fatal(err)
				}
			}
			return at
		}
		texts := func(name string) (all []string) {
			for _, text := range line[name].([]any) {
				all = append(all, text.(string))
			}
			return all
		}
		ref := func(name string) (id apikey.ID) {
			if text := line[name].(string); text != "" {
				var err error
				if id, err = apikey.ParseID(text); err != nil {
					t.Fatal(err)
				}
			}
			return id
		}
		keys = append(keys, apikey.Key{
			ID: ref("id"), Prefix: line["prefix"].(string), Hash: hash, Opaque: line["token_format"] != nil,
			Workspace: line["workspace"].(string), Name: line["name"].(string), Description: line["description"].(string), Scopes: texts("scopes"),
			Limits:         apikey.Limits{PerMinute: uint32(i + 2), PerDay: uint32(i + 3), Burst: uint32(i + 1)},
			AllowedOrigins: texts("allowed_origins"), AllowedIPs: texts("allowed_ips"),
			CreatedAt: when("created_at"), ExpiresAt: when("expires_at"), RevokedAt: when("revoked_at"), Disabled: line["disabled"].(bool),
			RotatedFrom: ref("rotated_from"), ReplacedBy: ref("replaced_by"),
		})
	}
	return keys, lines
}

// sameObjects fails unless these are those, in their order, with nothing more
// and nothing less in any of them.
func sameObjects(t *testing.T, what string, got, want []object) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d, want %d", what, len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Fatalf("%s: entry %d is\n%v\nwant\n%v", what, i, got[i], want[i])
		}
	}
}

// jsonLines are the objects of an export.
func jsonLines(t *testing.T, text string) (lines []object) {
	t.Helper()
	for line := range strings.Lines(text) {
		var got object
		if err := json.Unmarshal([]byte(line), &got); err != nil || !strings.HasSuffix(line, "\n") {
			t.Fatalf("%q is no line of an export: %v", line, err)
		}
		lines = append(lines, got)
	}
	return lines
}

func jsonPage(t *testing.T, text, field string) (entries []object, next string) {
	t.Helper()
	var page map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &page); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(page[field], &entries); err != nil || entries == nil {
		t.Fatalf("%s: %v", page[field], err)
	}
	if err := json.Unmarshal(page["next_cursor"], &next); err != nil {
		t.Fatal(err)
	}
	return entries, next
}

// withoutUse are lines as of keys that nobody has used.
func withoutUse(lines []object) (clean []object) {
	for _, line := range lines {
		line = maps.Clone(line)
		line["last_used_at"] = nil
		clean = append(clean, line)
	}
	return clean
}

// An export has every key once, with all that there is of it, however many
// pages of the store it takes and whoever writes it; an import makes of it what
// was exported.
func TestAPIExportsEveryPage(t *testing.T) {
	for _, n := range []int{keystore.MaxPage, keystore.MaxPage + 1} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			s := serveAPI(t)
			at := func(s *apiServer) []string { return []string{"--address", strings.TrimPrefix(s.url, "http://")} }
			keys, want := eachKind(t, n)
			if err := s.store.CreateAll(keys, keystore.Actor{At: apiStart}, nil); err != nil {
				t.Fatal(err)
			}
			used := []apikey.Usage{
				{ID: keys[0].ID, Day: apikey.DayOf(apiStart), Allowed: 1, LastUsed: apiStart.Unix()},
				{ID: keys[n-1].ID, Day: apikey.DayOf(apiStart), Allowed: 1, LastUsed: apiStart.Unix()},
			}
			if err := s.store.SaveUsage(used, nil); err != nil {
				t.Fatal(err)
			}
			want[0]["last_used_at"], want[n-1]["last_used_at"] = "2026-11-23T10:00:00Z", "2026-11-23T10:00:00Z"
			dir := t.TempDir()
			file := func(name string) string { return filepath.Join(dir, name) }
			copied, err := os.OpenFile(file("keys.db"), os.O_CREATE|os.O_WRONLY, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.store.Backup(copied); err != nil || copied.Close() != nil {
				t.Fatal(err)
			}

			exported := s.page("/keygate/export")
			sameObjects(t, "export by the API", jsonLines(t, exported), want)
			for name, place := range map[string][]string{"address": at(s), "db": {"--db", file("keys.db")}} {
				sameObjects(t, "export by "+name, jsonLines(t, person{}.mustRun(t, append([]string{"export"}, place...)...)), want)
				done := person{}.mustRun(t, append([]string{"export", file(name)}, place...)...)
				text, err := os.ReadFile(file(name))
				if err != nil || done != fmt.Sprintf("Exported %d keys to %s.\n", n, file(name)) {
					t.Errorf("%q, %v", done, err)
				}
				sameObjects(t, "export to a file by "+name, jsonLines(t, string(text)), want)
			}

			again := withoutUse(want)
			to := serveAPI(t)
			to.send("POST /keygate/import", exported, "Content-Type", "application/jsonl").want(t, 200, fmt.Sprintf(`"imported":%d,"errors":[]`, n))
			sameObjects(t, "imported by the API", jsonLines(t, to.page("/keygate/export")), again)
			to = serveAPI(t)
			for _, place := range [][]string{at(to), {"--db", file("new.db")}} {
				if o := (person{}).run(append([]string{"import", file("address")}, place...)...); o.failed || o.stdout != fmt.Sprintf("Imported %d keys.\n", n) {
					t.Fatalf("%+v", o)
				}
				sameObjects(t, "imported by "+place[0], jsonLines(t, person{}.mustRun(t, append([]string{"export"}, place...)...)), again)
			}
		})
	}
}

// manyWorkspaces says of workspaces that they have limits.
type manyWorkspaces struct {
	keystore.Store
	limits map[string]apikey.WorkspaceLimits
}

func (s manyWorkspaces) AllWorkspaceLimits() map[string]apikey.WorkspaceLimits { return s.limits }

// page is an answer that is not held against openapi.yaml, which takes long for
// a thousand entries.
func (s *apiServer) page(target string) string {
	s.t.Helper()
	resp, err := http.Get(s.url + target)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		s.t.Fatalf("%s: %d, %v", target, resp.StatusCode, err)
	}
	return string(body)
}

// outlines are entries of the audit trail without what they say of a change.
func outlines(entries []object) (short []object) {
	for _, e := range entries {
		short = append(short, object{"seq": e["seq"], "action": e["action"], "key_id": e["key_id"]})
	}
	return short
}

// A list has every entry once, in order, in as few pages as they fit into, and
// says that more follow where more follow.
func TestAPIListsEveryPage(t *testing.T) {
	for _, n := range []int{keystore.MaxPage, keystore.MaxPage + 1} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			s := serveAPI(t)
			keys, lines := eachKind(t, n)
			if err := s.store.CreateAll(keys, keystore.Actor{At: apiStart, Via: "api test"}, nil); err != nil {
				t.Fatal(err)
			}
			own := make(map[string]apikey.WorkspaceLimits)
			var workspaces, trail []object
			for i, line := range lines {
				for _, hidden := range []string{"disabled", "hash", "token_format"} {
					delete(line, hidden)
				}
				name := fmt.Sprintf("w%05d", i)
				own[name] = apikey.WorkspaceLimits{PerMinute: uint32(i + 1)}
				workspaces = append(workspaces, object{"workspace": name, "limits": object{"per_minute": float64(i + 1), "per_day": nil}, "source": "own"})
			}
			s.failing = manyWorkspaces{s.store, own}
			for i := n; i > 0; i-- {
				trail = append(trail, object{"seq": float64(i), "action": "import", "key_id": lines[i-1]["id"]})
			}
			only := func(field, value string) (some []object) {
				for _, line := range lines {
					if line[field] == value {
						some = append(some, line)
					}
				}
				return some
			}
			for _, list := range []struct {
				path, field, query string
				want               []object
				command            []string
			}{
				{"/keygate/keys", "keys", "", lines, []string{"list"}},
				{"/keygate/keys", "keys", "workspace=w3", only("workspace", "w3"), []string{"list", "--workspace", "w3"}},
				{"/keygate/keys", "keys", "status=expired", only("status", "expired"), []string{"list", "--status", "expired"}},
				{"/keygate/audit", "entries", "", trail, []string{"audit"}},
				{"/keygate/workspaces", "workspaces", "", workspaces, []string{"workspace"}},
			} {
				all := len(list.want)
				for _, size := range []int{0, all / 3, all - 1, all, all + 1} {
					if size > keystore.MaxPage {
						continue
					}
					what := fmt.Sprintf("%s?%s by %d", list.path, list.query, size)
					query, err := url.ParseQuery(list.query)
					if err != nil {
						t.Fatal(err)
					}
					if size > 0 {
						query.Set("limit", strconv.Itoa(size))
					} else {
						size = keystore.DefaultPage
					}
					var got []object
					pages := 0
					for cursor := ""; pages == 0 || cursor != ""; pages++ {
						query.Set("cursor", cursor)
						var entries []object
						entries, cursor = jsonPage(t, s.page(list.path+"?"+query.Encode()), list.field)
						if list.field == "entries" {
							entries = outlines(entries)
						}
						if len(entries) > size || cursor != "" && len(entries) < size {
							t.Errorf("%s: a page of %d with the cursor %q", what, len(entries), cursor)
						}
						got = append(got, entries...)
					}
					sameObjects(t, what, got, list.want)
					if want := (all + size - 1) / size; pages != want {
						t.Errorf("%s takes %d pages, want %d", what, pages, want)
					}
				}
				run := func(more ...string) outcome {
					return person{}.run(slices.Concat(list.command, []string{"--address", strings.TrimPrefix(s.url, "http://")}, more)...)
				}
				printed := func(more ...string) ([]object, string) {
					entries, next := jsonPage(t, run(append(more, "--json")...).stdout, list.field)
					if list.field == "entries" {
						entries = outlines(entries)
					}
					return entries, next
				}
				got, next := printed()
				if sameObjects(t, list.command[0], got, list.want); next != "" {
					t.Errorf("%s: the cursor is %q at the end", list.command[0], next)
				}
				if list.field == "workspaces" {
					continue // without --limit
				}
				for _, limit := range []int{all - 1, all, all + 1} {
					got, next := printed("--limit", strconv.Itoa(limit))
					sameObjects(t, fmt.Sprintf("%q --limit %d", list.command, limit), got, list.want[:min(limit, all)])
					o := run("--limit", strconv.Itoa(limit))
					if more := limit < all; (next != "") != more || strings.Contains(o.stderr, "raise --limit") != more || o.failed {
						t.Errorf("%q --limit %d of %d: the cursor is %q, stderr %q", list.command, limit, all, next, o.stderr)
					}
				}
			}
		})
	}
}
