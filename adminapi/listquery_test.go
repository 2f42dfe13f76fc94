package adminapi

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// listedKeys are keys of which each filter selects some.
func listedKeys(t *testing.T) []apikey.Key {
	t.Helper()
	var keys []apikey.Key
	for i, set := range []func(*apikey.Key){
		func(k *apikey.Key) { k.Name, k.CreatedAt = "Publishing bot", apiStart.Add(-100*day) },
		func(k *apikey.Key) { k.Name, k.CreatedBy = "reporting job", "ada@acme.example" },
		func(k *apikey.Key) { k.Name, k.ExpiresAt = "PUBLISHING old", apiStart.Add(30*day) },
		func(k *apikey.Key) { k.Name, k.ExpiresAt, k.Disabled = "Ärger", apiStart.Add(day), true },
		func(k *apikey.Key) { k.Name, k.Workspace, k.Scopes = "ärger 2", "other", []string{"media:upload"} },
		func(k *apikey.Key) { k.Name, k.RevokedAt = "gone", apiStart },
	} {
		k := apikey.Key{Workspace: "acme", Scopes: []string{"posts:read"}, CreatedAt: apiStart.Add(-time.Duration(i) * time.Hour)}
		k.SetToken("patra", apikey.ID([]byte(fmt.Sprintf("%c00000000000", 'a'+i))), apikey.Hash{byte(i) + 1})
		set(&k)
		if err := k.Normalize(); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, k)
	}
	return keys
}

func (s *apiServer) fill(keys []apikey.Key) {
	s.t.Helper()
	for _, k := range keys {
		if err := s.store.Create(k, keystore.Actor{At: apiStart, Via: "offline"}); err != nil {
			s.t.Fatal(err)
		}
	}
	used := apiStart.Add(-91 * day)
	for n, id := range []apikey.ID{keys[2].ID, keys[3].ID} {
		at := used.Add(time.Duration(n) * time.Hour)
		if err := s.store.SaveUsage([]apikey.Usage{{ID: id, Day: apikey.DayOf(at), Allowed: 1, LastUsed: at.Unix()}}, nil); err != nil {
			s.t.Fatal(err)
		}
	}
}

// firsts are the first letters of the IDs on a page, which are a to f.
func (s *apiServer) firsts(query string) (letters, next string) {
	s.t.Helper()
	var page ListResponse
	got := s.send("GET /keygate/keys?"+query, "").want(s.t, 200)
	if err := json.Unmarshal([]byte(got.body), &page); err != nil {
		s.t.Fatal(err)
	}
	for i := range page.Keys {
		letters += page.Keys[i].ID.String()[:1]
	}
	return letters, page.NextCursor
}

func TestAPIListFilters(t *testing.T) {
	s := serveAPI(t)
	s.fill(listedKeys(t))
	for query, want := range map[string]string{
		"":                               "abcdef",
		"name=publishing":                "ac",
		"name=%C3%84RGER":                "de",
		"name=+":                         "abce",
		"name=patra_b":                   "b",
		"name=patra_b00000000000":        "b",
		"name=patra_":                    "",
		"name=patra":                     "",
		"name=Patra_b":                   "",
		"name=b":                         "abc",
		"name=B":                         "abc",
		"name=b0":                        "b",
		"name=B0":                        "",
		"name=f00000000000":              "f",
		"scope=media:upload":             "e",
		"scope=media%3Aupload":           "e",
		"scope=posts:write":              "",
		"created_by=ada@acme.example":    "b",
		"created_by=Ada@acme.example":    "",
		"created_by=ada":                 "",
		"expiring=30d":                   "cd",
		"expiring=720h":                  "cd",
		"expiring=719h59m":               "d",
		"expiring=24h":                   "d",
		"expiring=1439m":                 "",
		"expiring=3650d":                 "cd",
		"idle=90d":                       "acd",
		"idle=2184h":                     "ac",
		"idle=100d":                      "a",
		"idle=100d1m":                    "",
		"never_used=true":                "abef",
		"no_expiry=true":                 "abef",
		"no_expiry=true&expiring=30d":    "",
		"never_used=true&idle=90d":       "a",
		"status=active&name=publishing":  "ac",
		"workspace=other&name=rge":       "e",
		"status=disabled&idle=1d":        "d",
		"sort=name":                      "facbde",
		"sort=created":                   "afedcb",
		"sort=expires":                   "dcabef",
		"sort=last-used":                 "abefcd",
		"sort=last-used&status=revoked":  "f",
		"sort=created&name=publishing":   "ac",
		"sort=expires&expiring=30d":      "dc",
		"workspace=acme&sort=created":    "afdcb",
		"workspace=other&sort=last-used": "e",
	} {
		if got, next := s.firsts(query); got != want || next != "" {
			t.Errorf("?%s: %q, next %q; want %q", query, got, next, want)
		}
	}
	s.clock.Store(apiStart.Add(day).UnixNano())
	for query, want := range map[string]string{"expiring=29d": "c", "expiring=28d": "", "idle=90d": "ac"} {
		if got, _ := s.firsts(query); got != want {
			t.Errorf("a day later, ?%s: %q; want %q", query, got, want)
		}
	}
}

func TestAPIListRefuses(t *testing.T) {
	s := serveAPI(t)
	for query, want := range map[string]string{
		"sort=id":                                `sort: \"id\" is not an order; accepted: name, created, expires or last-used`,
		"sort=Name":                              "sort: ",
		"sort=-created":                          "sort: ",
		"sort=last_used":                         "sort: ",
		"sort=":                                  "sort: is empty",
		"sort=name&sort=name":                    "sort: is given more than once",
		"scope=posts":                            `scope: \"posts\" is not a scope; accepted: resource:action`,
		"scope=posts:wr%20":                      "scope: ",
		"scope=posts:read,posts:write":           "scope: ",
		"scope=":                                 "scope: is empty",
		"created_by=%20ada":                      "created_by: ",
		"created_by=" + strings.Repeat("a", 201): "created_by: has 201 characters",
		"created_by=a%0Ab":                       "created_by: ",
		"name=" + strings.Repeat("%C3%A4", 101):  "name: has 101 characters; accepted: up to 100 characters",
		"name=%FF":                               "name: is not valid UTF-8",
		"name=%00":                               "name: has a control character",
		"name=%C2%85":                            "name: has a control character",
		"name=":                                  "name: is empty",
		"no_expiry=false":                        `no_expiry: \"false\" is not accepted; accepted: true`,
		"no_expiry=1":                            "no_expiry: ",
		"no_expiry":                              "no_expiry: is empty",
		"never_used=True":                        "never_used: ",
		"expiring=true":                          "expiring: ",
		"name=" + wholeToken:                     "whole token",
		"created_by=" + url.QueryEscape(wholeToken): "whole token",
		"idle=90d&idle=90d":                         "idle: is given more than once",
	} {
		s.send("GET /keygate/keys?"+query, "").want(t, 400, want)
	}
	for _, query := range []string{"name=" + strings.Repeat("%C3%A4", 100), "name=%20", "name=%E2%80%8D", "created_by=" + strings.Repeat("a", 200)} {
		s.send("GET /keygate/keys?"+query, "").want(t, 200)
	}
}

func TestAPIDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1m": time.Minute, "90m": 90 * time.Minute, "1h": time.Hour, "36h": 36 * time.Hour, "1d": day, "30d": 30 * day,
		"1d12h": 36 * time.Hour, "1d12h30m": 36*time.Hour + 30*time.Minute, "2h5m": 125 * time.Minute, "1d1m": day + time.Minute,
		"3650d": 3650 * day, "87600h": 3650 * day, "5256000m": 3650 * day, "030d": 30 * day,
	} {
		var got time.Duration
		if err := span("idle", &got)(text); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", " ", "0", "0m", "0d", "59s", "60s", "1", "30", "d", "m", "30D", "30d ", " 30d", "30 d", "+30d", "-30d", "30d-1h", "1.5d", "1,5d", "1e3h", "0x10h",
		"3651d", "3650d1m", "87601h", "5256001m", "99999999999999999999d", "106752d", "30days", "1w", "1y", "1M", "1h1d", "1m1h", "1d1d", "1h30", "d30", "1ms", "1µs", "٣d", "١m",
	} {
		var got time.Duration
		if err := span("idle", &got)(text); err == nil {
			t.Errorf("%q is taken as %s", text, got)
		}
	}
}

// Every walk through pages gives what one page gives, and its cursors say nothing
// that is not in the entry shown last.
func TestAPIListCursors(t *testing.T) {
	s, other := serveAPI(t), serveAPI(t)
	keys := listedKeys(t)
	s.fill(keys)
	other.fill(keys)
	more := keys[0]
	more.SetToken("patra", apikey.ID([]byte("zzzzzzzzzzzz")), apikey.Hash{99})
	more.Name, more.CreatedAt, more.ExpiresAt = "zzzz", apiStart, apiStart.Add(29*day)
	if err := other.store.Create(more, keystore.Actor{At: apiStart, Via: "offline"}); err != nil {
		t.Fatal(err)
	}
	orders := []string{"", "sort=name", "sort=created", "sort=expires", "sort=last-used"}
	filters := []string{"", "workspace=acme", "status=active", "name=r", "scope=posts:read", "no_expiry=true", "never_used=true", "idle=1h", "expiring=30d", "expiring=31d", "created_by=ada@acme.example"}
	cursors := make(map[string]string) // by query
	for _, order := range orders {
		for _, filter := range filters {
			query := strings.Trim(order+"&"+filter, "&")
			want, _ := s.firsts(query)
			got, next, cursor := "", "", ""
			for pages := 0; ; pages++ {
				if pages > len(keys) {
					t.Fatalf("?%s does not end: %s", query, got)
				}
				page, after := s.firsts(query + "&limit=1&cursor=" + cursor)
				if shown, same := other.firsts(query + "&limit=1&cursor=" + cursor); shown == page && after != "" && same != after {
					t.Errorf("?%s: the cursor behind %s is %s, and %s where there are other keys", query, page, after, same)
				}
				if got += page; after == "" {
					break
				}
				next, cursor = after, after
			}
			if got != want {
				t.Errorf("?%s: %s in pages; want %s", query, got, want)
			}
			if next != "" {
				cursors[query] = next
			}
			if strings.Trim(next, "0123456789ABCDEFGHIJKLMNOPQRSTUV") != "" && !byID(query) {
				t.Errorf("?%s: the cursor is %s", query, next)
			}
		}
	}
	if len(cursors) < 40 {
		t.Errorf("only %d lists have two pages", len(cursors))
	}
	for query, cursor := range cursors {
		for another := range cursors {
			got := s.send("GET /keygate/keys?"+another+"&cursor="+cursor, "")
			if query == another || byID(query) && byID(another) {
				got.want(t, 200)
			} else {
				got.want(t, 400, "cursor: is of a list in another order or with other filters; accepted: the order and filters of the page that it came with, or no cursor for the first page")
			}
		}
	}
	s.send("GET /keygate/keys?idle=24h&cursor="+cursorBehindOne(t, s, "idle=1d"), "").want(t, 200) // which says the same
	s.send("GET /keygate/keys?limit=9&idle=1d&cursor="+cursorBehindOne(t, s, "idle=1d"), "").want(t, 200)
}

func byID(query string) bool {
	return slices.Contains([]string{"", "workspace=acme", "status=active"}, query)
}

func cursorBehindOne(t *testing.T, s *apiServer, query string) string {
	t.Helper()
	_, cursor := s.firsts(query + "&limit=1")
	if cursor == "" {
		t.Fatalf("?%s has one page", query)
	}
	return cursor
}

// A cursor that is not as it was given is refused, wherever it differs.
func TestAPIDamagedCursors(t *testing.T) {
	s := serveAPI(t)
	s.fill(listedKeys(t))
	for _, query := range []string{"sort=name", "sort=created&name=r", "sort=expires", "sort=last-used", "never_used=true"} {
		cursor := cursorBehindOne(t, s, query)
		damaged := []string{cursor + "0", cursor + "=", "0" + cursor, strings.ToLower(cursor), cursor + cursor, cursor + "\n", "\n" + cursor, cursor[:9] + "\r\n" + cursor[9:], " " + cursor}
		for i := range cursor {
			damaged = append(damaged, cursor[:i], cursor[i+1:])
			for _, c := range "0V-_" {
				if other := cursor[:i] + string(c) + cursor[i+1:]; other != cursor {
					damaged = append(damaged, other)
				}
			}
		}
		for _, cursor := range damaged {
			if cursor == "" {
				continue
			}
			got := s.send("GET /keygate/keys?"+query+"&cursor="+url.QueryEscape(cursor), "")
			if got.status != 400 || !strings.Contains(got.body, "cursor: is ") {
				t.Errorf("?%s, cursor %q: %d %s", query, cursor, got.status, got.body)
			}
		}
	}
}
