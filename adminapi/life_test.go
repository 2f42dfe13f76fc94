package adminapi

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

func TestAPIUpdate(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		want       func(*apikey.Record)
	}{
		{"nothing", `{}`, func(*apikey.Record) {}},
		{"name", `{"name":"x"}`, func(r *apikey.Record) { r.Name = "x" }},
		{"no description", `{"description":""}`, func(r *apikey.Record) { r.Description = "" }},
		{"same workspace", `{"workspace":"acme"}`, func(*apikey.Record) {}},
		{"scopes", `{"scopes":["queue:read","ai:generate"]}`, func(r *apikey.Record) { r.Scopes = []string{"ai:generate", "queue:read"} }},
		{"scope of the config", `{"scopes":["invoices:read"]}`, func(r *apikey.Record) { r.Scopes = []string{"invoices:read"} }},
		{"unknown scope", `{"scopes":["a:b"],"allow_unknown_scope":true}`, func(r *apikey.Record) { r.Scopes = []string{"a:b"} }},
		{"never expires", `{"expires_at":null}`, func(r *apikey.Record) { r.ExpiresAt = nil }},
		{"expires", `{"expires_in_days":1}`, func(r *apikey.Record) { at := apiStart.AddDate(0, 0, 1); r.ExpiresAt = &at }},
		{"burst follows per_minute", `{"limits":{"per_minute":30}}`, func(r *apikey.Record) { r.Limits.PerMinute, r.Limits.Burst = 30, 30 }},
		{"burst alone", `{"limits":{"burst":5}}`, func(r *apikey.Record) { r.Limits.Burst = 5 }},
		{"no origins", `{"allowed_origins":[]}`, func(r *apikey.Record) { r.AllowedOrigins = []string{} }},
		{"no addresses", `{"allowed_ips":[]}`, func(r *apikey.Record) { r.AllowedIPs = []string{} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serveAPI(t)
			id, made, etag := s.create(`"description":"d"`, `"expires_in_days":90`, `"allowed_origins":["https://a.example"]`, `"allowed_ips":["203.0.113.7"]`)
			want := made.Key
			tt.want(&want)
			got := s.send(keyURL("PATCH", id), tt.body).want(t, 200)
			if g, w := mustJSON(t, got.record(t)), mustJSON(t, want); g != w {
				t.Errorf("got  %s\nwant %s", g, w)
			}
			if shown := s.send(keyURL("GET", id), "").want(t, 200); shown != got {
				t.Errorf("shown %+v, want %+v", shown, got)
			}
			if same := mustJSON(t, want) == mustJSON(t, made.Key); same != (got.etag == etag) {
				t.Errorf("ETag %s, was %s", got.etag, etag)
			}
		})
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAPIUpdateRefuses(t *testing.T) {
	s := serveAPI(t)
	id, _, etag := s.create()
	for _, tt := range []struct{ body, want string }{
		{`{"workspace":"other"}`, "workspace: never changes"},
		{`{"name":""}`, "name: "},
		{`{"name":"\u001b]0;pwn\u0007"}`, "name: "},
		{`{"name":"a\u202eb"}`, "name: "},
		{`{"scopes":[]}`, "scopes: is empty"},
		{`{"scopes":["posts:wrte"]}`, "did you mean posts:write?"},
		{`{"expires_at":"2026-11-23T10:00:00Z"}`, "is not in the future"},
		{`{"expires_at":null,"expires_in_days":3}`, "expires_in_days: is given together with expires_at"},
		{`{"limits":{"burst":61}}`, "burst: 61 is more than per_minute, which is 60"},
		{`{"status":"active"}`, "status: is not a member"},
		{`{"disabled":true}`, "disabled: is not a member"},
		{`[]`, "a JSON array is not accepted"},
		{`{} {}`, "something follows"},
		{``, "Content-Type: application/json"},
	} {
		status := 400
		if tt.body == "" {
			status = 415
		}
		s.send(keyURL("PATCH", id), tt.body).want(t, status, tt.want)
	}
	if got := s.send(keyURL("GET", id), ""); got.etag != etag {
		t.Errorf("a refused change changed the key: %+v", got)
	}
}

// Of changes that go out from the same state one is made, and the others are
// told so.
func TestAPIConcurrentChanges(t *testing.T) {
	s := serveAPI(t)
	for _, tt := range []struct {
		request string
		body    func(n int) string
		success int
	}{
		{"PATCH", func(n int) string { return fmt.Sprintf(`{"name":"name %d"}`, n) }, 200},
		{"POST /rotate", func(int) string { return "" }, 201},
		{"POST /disable", func(int) string { return "" }, 200},
		{"POST /revoke", func(int) string { return "" }, 200},
		{"DELETE", func(int) string { return "" }, 204},
	} {
		t.Run(tt.request, func(t *testing.T) {
			id, _, etag := s.create()
			method, action, _ := strings.Cut(tt.request, " ")
			const n = 16
			got := make([]reply, n)
			var wg sync.WaitGroup
			for i := range n {
				wg.Go(func() {
					var err error
					if got[i], err = s.try(keyURL(method, id, action), tt.body(i), "If-Match", etag); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			won := -1
			for i, r := range got {
				switch {
				case r.status == tt.success && won < 0:
					won = i
				case r.status == 412 || method == "DELETE" && r.status == 404:
				default:
					t.Errorf("status %d: %s", r.status, r.body)
				}
			}
			if won < 0 {
				t.Fatal("no change was made")
			}
			if method == "PATCH" && s.send(keyURL("GET", id), "") != got[won] {
				t.Error("another change was made than the one that was told of")
			}
		})
	}
}

// Without If-Match, changes of different fields are all kept.
func TestAPIConcurrentUpdatesLoseNone(t *testing.T) {
	s := serveAPI(t)
	id, _, _ := s.create()
	var wg sync.WaitGroup
	for _, body := range []string{
		`{"name":"new"}`, `{"description":"new"}`, `{"scopes":["queue:read"]}`, `{"expires_in_days":9}`,
		`{"limits":{"per_day":7}}`, `{"allowed_ips":["203.0.113.7"]}`, `{"allowed_origins":["https://a.example"]}`,
	} {
		wg.Go(func() {
			if got, err := s.try(keyURL("PATCH", id), body); err != nil || got.status != 200 {
				t.Error(got, err)
			}
		})
	}
	wg.Wait()
	r := s.send(keyURL("GET", id), "").record(t)
	if r.Name != "new" || r.Description != "new" || r.Scopes[0] != "queue:read" || r.ExpiresAt == nil ||
		r.Limits.PerDay != 7 || len(r.AllowedIPs) != 1 || len(r.AllowedOrigins) != 1 {
		t.Errorf("a change is lost: %+v", r)
	}
}

func TestAPIIfMatch(t *testing.T) {
	s := serveAPI(t)
	id, _, etag := s.create()
	for _, tt := range []struct {
		value  string
		status int
	}{
		{etag, 200},
		{"*", 200},
		{`"x", ` + etag, 200},
		{"W/" + etag, 412}, // RFC 9110 §13.1.1: compared strongly
		{strings.Trim(etag, `"`), 412},
		{`""`, 412},
		{"", 412},
	} {
		s.send(keyURL("PATCH", id), `{}`, "If-Match", tt.value).want(t, tt.status)
	}
}

func TestAPIStates(t *testing.T) {
	s := serveAPI(t)
	id, _, active := s.create()
	disabled := s.send(keyURL("POST", id, "/disable"), "").want(t, 200, `"status":"disabled"`)
	if again := s.send(keyURL("POST", id, "/disable"), ""); again != disabled || disabled.etag == active {
		t.Errorf("disabled again: %+v, first %+v, active %s", again, disabled, active)
	}
	if enabled := s.send(keyURL("POST", id, "/enable"), "").want(t, 200, `"status":"active"`); enabled.etag != active {
		t.Errorf("enabled has the ETag %s, was %s", enabled.etag, active)
	}
	revoked := s.send(keyURL("POST", id, "/revoke"), "").want(t, 200, `"revoked_at":"2026-11-23T10:00:00Z"`)
	s.clock.Add(int64(time.Hour))
	if again := s.send(keyURL("POST", id, "/revoke"), "", "If-Match", revoked.etag); again != revoked {
		t.Errorf("revoked again: %+v, first %+v", again, revoked)
	}
	for _, request := range []string{keyURL("PATCH", id), keyURL("POST", id, "/rotate"), keyURL("POST", id, "/enable"), keyURL("POST", id, "/disable")} {
		body := ""
		if strings.HasPrefix(request, "PATCH") {
			body = `{"name":"x"}`
		}
		s.send(request, body).want(t, 409, "revoked")
	}
	if after := s.send(keyURL("GET", id), ""); after != revoked {
		t.Errorf("after refused changes: %+v, was %+v", after, revoked)
	}
	s.send(keyURL("DELETE", id), "").want(t, 204)
	s.send(keyURL("DELETE", id), "").want(t, 404)
}

func TestAPIRotate(t *testing.T) {
	for _, tt := range []struct {
		name, settings, body string
		oldEnds              string
		status               apikey.Status
	}{
		{"no body", `"description":""`, ``, "2026-11-24T10:00:00Z", apikey.Active},
		{"no overlap said", `"description":""`, `{}`, "2026-11-24T10:00:00Z", apikey.Active},
		{"half an hour", `"description":""`, `{"overlap":"30m"}`, "2026-11-23T10:30:00Z", apikey.Active},
		{"at once", `"description":""`, `{"overlap":"0s"}`, "2026-11-23T10:00:00Z", apikey.Expired},
		{"expires before", `"expires_in_days":1`, `{"overlap":"48h"}`, "2026-11-24T10:00:00Z", apikey.Active},
		{"expires after", `"expires_in_days":9`, `{"overlap":"48h"}`, "2026-11-25T10:00:00Z", apikey.Active},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serveAPI(t)
			id, made, _ := s.create(tt.settings, `"limits":{"per_minute":7,"burst":3}`, `"allowed_ips":["203.0.113.7"]`)
			rotated := s.send(keyURL("POST", id, "/rotate"), tt.body).want(t, 201)
			next := rotated.token(t)
			want := made.Key
			want.ID, want.Prefix, want.RotatedFrom = next.Key.ID, "patra_"+next.Key.ID.String(), made.Key.ID
			if g, w := mustJSON(t, next.Key), mustJSON(t, want); g != w || want.ID == made.Key.ID {
				t.Errorf("got  %s\nwant %s", g, w)
			}
			if shown := s.send(keyURL("GET", next.Key.ID.String()), ""); shown.etag != rotated.etag {
				t.Errorf("the ETag %s is not the successor's, %s", rotated.etag, shown.etag)
			}
			grant, _, err := s.store.Lookup(next.Key.ID)
			if err != nil || !grant.Hash.Equal(apikey.HashToken(next.Token)) || next.Token == made.Token {
				t.Errorf("the new token does not work: %v", err)
			}
			old := s.send(keyURL("GET", id), "").record(t)
			if old.ExpiresAt.Format(time.RFC3339) != tt.oldEnds || old.ReplacedBy != next.Key.ID || old.Status != tt.status {
				t.Errorf("the old key: %+v", old)
			}
			if tt.status == apikey.Active {
				s.send(keyURL("POST", id, "/rotate"), "").want(t, 409, next.Key.ID.String())
			}
		})
	}
}

func TestAPIRotateRefuses(t *testing.T) {
	s := serveAPI(t)
	id, _, etag := s.create()
	for _, body := range []string{`{"overlap":"-1s"}`, `{"overlap":"8760h1s"}`, `{"overlap":"1 day"}`, `{"overlap":""}`, `{"overlap":5}`} {
		s.send(keyURL("POST", id, "/rotate"), body).want(t, 400, "overlap")
	}
	if s.send(keyURL("GET", id), "").etag != etag {
		t.Error("a refused rotation changed the key")
	}
	s.send(keyURL("POST", id, "/disable"), "").want(t, 200)
	s.send(keyURL("POST", id, "/rotate"), "").want(t, 409, "the key is disabled")
	id, _, _ = s.create(`"expires_in_days":1`)
	s.clock.Add(int64(24 * time.Hour))
	s.send(keyURL("POST", id, "/rotate"), "").want(t, 409, "the key is expired")
}
