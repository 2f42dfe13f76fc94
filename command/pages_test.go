package command

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/apitest"
	"github.com/socialpatra/keygate/keystore"
)

// sameObjects fails unless these are those, in their order, with nothing more
// and nothing less in any of them.
func sameObjects(t *testing.T, what string, got, want []apitest.Object) {
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
func jsonLines(t *testing.T, text string) (lines []apitest.Object) {
	t.Helper()
	for line := range strings.Lines(text) {
		var got apitest.Object
		if err := json.Unmarshal([]byte(line), &got); err != nil || !strings.HasSuffix(line, "\n") {
			t.Fatalf("%q is no line of an export: %v", line, err)
		}
		lines = append(lines, got)
	}
	return lines
}

func jsonPage(t *testing.T, text, field string) (entries []apitest.Object, next string) {
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
func withoutUse(lines []apitest.Object) (clean []apitest.Object) {
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
			s := serveKeys(t)
			at := func(s *keysServer) []string { return []string{"--address", strings.TrimPrefix(s.url, "http://")} }
			keys, want := apitest.EachKind(t, n)
			if err := s.store.CreateAll(keys, keystore.Actor{At: apitest.Start}, nil); err != nil {
				t.Fatal(err)
			}
			used := []apikey.Usage{
				{ID: keys[0].ID, Day: apikey.DayOf(apitest.Start), Allowed: 1, LastUsed: apitest.Start.Unix()},
				{ID: keys[n-1].ID, Day: apikey.DayOf(apitest.Start), Allowed: 1, LastUsed: apitest.Start.Unix()},
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

			exported := apitest.Page(t, s.url+"/keygate/export")
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
			to := serveKeys(t)
			if imported := to.post("/keygate/import", "application/jsonl", exported); imported != fmt.Sprintf(`{"imported":%d,"errors":[]}`+"\n", n) {
				t.Fatal(imported)
			}
			sameObjects(t, "imported by the API", jsonLines(t, apitest.Page(t, to.url+"/keygate/export")), again)
			to = serveKeys(t)
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

// outlines are entries of the audit trail without what they say of a change.
func outlines(entries []apitest.Object) (short []apitest.Object) {
	for _, e := range entries {
		short = append(short, apitest.Object{"seq": e["seq"], "action": e["action"], "key_id": e["key_id"]})
	}
	return short
}

// A list has every entry once, in order, in as few pages as they fit into, and
// says that more follow where more follow.
func TestAPIListsEveryPage(t *testing.T) {
	for _, n := range []int{keystore.MaxPage, keystore.MaxPage + 1} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			s := serveKeys(t)
			keys, lines := apitest.EachKind(t, n)
			if err := s.store.CreateAll(keys, keystore.Actor{At: apitest.Start, Via: "api test"}, nil); err != nil {
				t.Fatal(err)
			}
			own := make(map[string]apikey.WorkspaceLimits)
			var workspaces, trail []apitest.Object
			for i, line := range lines {
				for _, hidden := range []string{"disabled", "hash", "token_format", "account"} {
					delete(line, hidden)
				}
				name := fmt.Sprintf("w%05d", i)
				own[name] = apikey.WorkspaceLimits{PerMinute: uint32(i + 1)}
				workspaces = append(workspaces, apitest.Object{"workspace": name, "limits": apitest.Object{"per_minute": float64(i + 1), "per_day": nil}, "source": "own"})
			}
			s.failing = manyWorkspaces{s.store, own}
			for i := n; i > 0; i-- {
				trail = append(trail, apitest.Object{"seq": float64(i), "action": "import", "key_id": lines[i-1]["id"]})
			}
			only := func(field, value string) (some []apitest.Object) {
				for _, line := range lines {
					if line[field] == value {
						some = append(some, line)
					}
				}
				return some
			}
			for _, list := range []struct {
				path, field, query string
				want               []apitest.Object
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
					var got []apitest.Object
					pages := 0
					for cursor := ""; pages == 0 || cursor != ""; pages++ {
						query.Set("cursor", cursor)
						var entries []apitest.Object
						entries, cursor = jsonPage(t, apitest.Page(t, s.url+list.path+"?"+query.Encode()), list.field)
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
				printed := func(more ...string) ([]apitest.Object, string) {
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
					if next != "" {
						rest, end := printed("--cursor", next)
						sameObjects(t, fmt.Sprintf("%q --cursor %q", list.command, next), rest, list.want[limit:])
						if end != "" {
							t.Errorf("%q --cursor %q ends with the cursor %q", list.command, next, end)
						}
					}
					o := run("--limit", strconv.Itoa(limit))
					if more := limit < all; (next != "") != more || strings.Contains(o.stderr, "raise --limit") != more || o.failed {
						t.Errorf("%q --limit %d of %d: the cursor is %q, stderr %q", list.command, limit, all, next, o.stderr)
					}
				}
			}
		})
	}
}

// keysServer serves the admin API on a store of its own.
type keysServer struct {
	t       *testing.T
	url     string
	store   *keystore.Bolt
	failing keystore.Store // in place of store, if there is one
}

func serveKeys(t *testing.T) *keysServer {
	t.Helper()
	s := &keysServer{t: t, store: openStore(t)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o := adminapi.Options{Store: s.store, Brand: "patra", Now: func() time.Time { return apitest.Start }}
		if s.failing != nil {
			o.Store = s.failing
		}
		adminapi.New(o).ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *keysServer) post(path, contentType, body string) string {
	s.t.Helper()
	resp, err := http.Post(s.url+path, contentType, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		s.t.Fatalf("%s: %d %s, %v", path, resp.StatusCode, text, err)
	}
	return string(text)
}
