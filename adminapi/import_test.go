package adminapi

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/apitest"
)

func TestAPIImportBadLines(t *testing.T) {
	hash := `"hash":"sha256:` + strings.Repeat("ab", 32) + `"`
	own := `{"id":"000000000001","workspace":"acme","name":"x","scopes":["posts:read"],` + hash + `}`
	good := apitest.OpaqueLine("good")
	for _, tt := range []struct{ name, line, want string }{
		{"no JSON", `nonsense`, "is not the JSON"},
		{"two objects", own + own, "something follows"},
		{"array", `[]`, "a JSON array is not accepted"},
		{"unknown field", `{"token":"x"}`, "token: is not a member"},
		{"no workspace", strings.Replace(own, `"workspace":"acme",`, "", 1), "workspace: "},
		{"no name", strings.Replace(own, `"name":"x",`, "", 1), "name: "},
		{"no scope", strings.Replace(own, `"posts:read"`, "", 1), "scopes: is empty"},
		{"unknown scope", strings.Replace(own, `posts:read`, "posts:rea", 1), "did you mean posts:read?"},
		{"no hash", strings.Replace(own, hash, `"hash":""`, 1), "hash: is not the hash of a token"},
		{"hash without tag", strings.Replace(own, "sha256:", "", 1), "hash: is not the hash of a token"},
		{"token as hash", strings.Replace(own, hash, `"hash":"patra_7Hk2Qp9aX3bC_0123456789ABCDEFGHIJKLMNOPQRSTUV2YI9hn"`, 1), "hash: is not the hash of a token"},
		{"zero hash", strings.Replace(own, strings.Repeat("ab", 32), strings.Repeat("0", 64), 1), "hash: is not the hash of a token"},
		{"short hash", strings.Replace(own, strings.Repeat("ab", 32), strings.Repeat("ab", 31), 1), "hash: is not the hash of a token"},
		{"no ID", strings.Replace(own, `"id":"000000000001",`, "", 1), "id: is missing"},
		{"bad ID", strings.Replace(own, `000000000001`, "1", 1), "is not a key ID"},
		{"token format", strings.Replace(own, `{`, `{"token_format":"jwt",`, 1), "token_format: "},
		{"zero limit", strings.Replace(own, `{`, `{"limits":{"per_day":0},`, 1), "per_day: 0 is out of range"},
		{"unknown limit", strings.Replace(own, `{`, `{"limits":{"per_hour":1},`, 1), "per_hour: is not a member"},
		{"address", strings.Replace(own, `{`, `{"allowed_ips":["203.0.113.7/24"],`, 1), "allowed_ips: "},
		{"bad time", strings.Replace(own, `{`, `{"expires_at":"soon",`, 1), "is not the JSON"},
		{"too long", `{"name":"` + strings.Repeat("x", maxImportLine) + `"}`, "is longer than 1048576 bytes"},
		{"ID twice", strings.Replace(apitest.OpaqueLine("other"), `{`, `{"id":"000000000009",`, 1), "id: 000000000009 is in line 1 already"},
		{"token twice", good, "hash: is in line 3 already"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serveAPI(t)
			first := strings.Replace(apitest.OpaqueLine("first"), `{`, `{"id":"000000000009",`, 1)
			body := first + "\n\n" + good + "\r\n" + tt.line + "\n" + apitest.OpaqueLine("last")
			status := 400
			if tt.name == "too long" {
				status = 413
			}
			s.send("POST /keygate/import", body).want(t, status, `"error":"line 4: `, tt.want, "nothing was imported", `"imported":0`, `"line":4`)
			s.send("GET /keygate/keys", "").want(t, 200, `"keys":[]`)
			s.send("POST /keygate/import?keep_going=true", body).want(t, 200, `"imported":3`, `"errors":[{"line":4,`, tt.want)
			for _, token := range []string{"first", "good", "last"} {
				if _, _, found, err := s.store.LookupOpaque(apikey.HashToken(token)); !found || err != nil {
					t.Errorf("%s is not there (%v)", token, err)
				}
			}
		})
	}
}

func TestAPIImportOpaque(t *testing.T) {
	s := serveAPI(t)
	s.send("POST /keygate/import", apitest.OpaqueLine("sk_1", `"expires_at":"2020-01-01T00:00:00Z"`, `"limits":{"per_minute":5}`, `"status":"active"`, `"prefix":"sk"`)).want(t, 200)
	s.send("POST /keygate/import", apitest.OpaqueLine("sk_1")).want(t, 409, "has the same token")
	id, _, found, err := s.store.LookupOpaque(apikey.HashToken("sk_1"))
	if !found || err != nil {
		t.Fatal(err)
	}
	r := s.send(keyURL("GET", id.String()), "").want(t, 200).record(t)
	want := apikey.Limits{PerMinute: 5, PerDay: apikey.DefaultPerDay, Burst: 5}
	if r.Status != apikey.Expired || r.Prefix != "patra_"+id.String() || !r.CreatedAt.Equal(apiStart) || r.Limits != want {
		t.Errorf("%+v", r)
	}
	s.send(keyURL("PATCH", id.String()), `{"expires_at":null}`).want(t, 200)
	next := s.send(keyURL("POST", id.String(), "/rotate"), "").want(t, 201).token(t)
	if grant, found, err := s.store.Lookup(next.Key.ID); !found || err != nil || !grant.Hash.Equal(apikey.HashToken(next.Token)) {
		t.Errorf("the successor does not work: %v", err)
	}
	if line := s.send("GET /keygate/export", "").body; strings.Count(line, `"token_format":"opaque"`) != 1 {
		t.Errorf("the successor must be of Keygate's own form: %s", line)
	}
	for _, query := range []string{"?keep_going=maybe", "?force=true"} {
		s.send("POST /keygate/import"+query, apitest.OpaqueLine("x")).want(t, 400)
	}
	s.send("POST /keygate/import", "").want(t, 415)
	s.send("POST /keygate/import", "\n", "Content-Type", "application/jsonl").want(t, 200, `"imported":0`)
}

func TestEachLine(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", ""},
		{"a", "1:a "},
		{"a\nb\n", "1:a 2:b "},
		{"\n\na", "1: 2: 3:a "},
		{"1234\n5", "1:1234 2:5 "},
		{"1234", "1:1234 "},
		{"12345\n6", "1:long 2:6 "},
		{"12345", "1:long "},
		{"12345678901234567890\n6\n1234567", "1:long 2:6 3:long "},
	} {
		var got strings.Builder
		for _, r := range []io.Reader{strings.NewReader(tt.text), iotest.OneByteReader(strings.NewReader(tt.text)), iotest.DataErrReader(strings.NewReader(tt.text))} {
			got.Reset()
			err := eachLine(r, 4, func(n int, line []byte, tooLong bool) error {
				text := strings.TrimSuffix(string(line), "\n")
				if tooLong {
					text = "long"
				}
				fmt.Fprintf(&got, "%d:%s ", n, text)
				return nil
			})
			if got.String() != tt.want || err != nil {
				t.Errorf("%q: got %q, want %q (%v)", tt.text, got.String(), tt.want, err)
			}
		}
	}
	err := eachLine(iotest.ErrReader(io.ErrUnexpectedEOF), 4, func(int, []byte, bool) error { return nil })
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a broken body is no error: %v", err)
	}
}

func FuzzImportLine(f *testing.F) {
	f.Add(apitest.OpaqueLine("x"))
	f.Add(`{"id":"000000000001","workspace":"acme","name":"x","scopes":["posts:read"],"hash":"sha256:` + strings.Repeat("ab", 32) + `","limits":{"per_day":5}}`)
	f.Add(`{"revoked_at":"0001-01-01T00:00:00Z","expires_at":null}`)
	f.Fuzz(func(t *testing.T, text string) {
		var line importedKey
		if decodeJSON(strings.NewReader(text), &line) != nil {
			return
		}
		k, err := line.key("patra", apiStart)
		if err != nil {
			return
		}
		before := mustJSON(t, k.Record(apiStart, time.Time{}))
		if err := k.Normalize(); err != nil || mustJSON(t, k.Record(apiStart, time.Time{})) != before {
			t.Errorf("not in the form in which keys are stored: %s (%v)", before, err)
		}
		if k.ID.IsZero() || k.Hash == (apikey.Hash{}) {
			t.Errorf("a key that cannot be found: %s", before)
		}
	})
}
