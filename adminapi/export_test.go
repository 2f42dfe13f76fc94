package adminapi

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/apitest"
	"github.com/socialpatra/keygate/keystore"
)

// fillAPI makes a key in each state.
func fillAPI(s *apiServer) (tokens []string) {
	add := func(more ...string) string {
		id, made, _ := s.create(more...)
		tokens = append(tokens, made.Token)
		return id
	}
	add(`"description":"<&>"`, `"limits":{"per_minute":7,"burst":3}`, `"allowed_ips":["203.0.113.7"]`, `"allowed_origins":["https://a.example"]`)
	s.send(keyURL("POST", add(), "/disable"), "").want(s.t, 200)
	revoked := add()
	s.send(keyURL("POST", revoked, "/disable"), "").want(s.t, 200)
	s.send(keyURL("POST", revoked, "/revoke"), "").want(s.t, 200)
	tokens = append(tokens, s.send(keyURL("POST", add(), "/rotate"), `{"overlap":"0s"}`).want(s.t, 201).token(s.t).Token)
	s.send("POST /keygate/import?allow_unknown_scope=true", strings.Replace(apitest.OpaqueLine("sk_live_abc"), "posts:read", "old:scope", 1)).want(s.t, 200, `"imported":1`)
	tokens = append(tokens, "sk_live_abc")
	return tokens
}

func TestAPIExportImport(t *testing.T) {
	from, to := serveAPI(t), serveAPI(t)
	tokens := fillAPI(from)
	to.clock.Add(int64(time.Hour))
	exported := from.send("GET /keygate/export", "").want(t, 200).body
	if lines := strings.Count(exported, "\n"); lines != len(tokens) {
		t.Errorf("%d lines, want %d", lines, len(tokens))
	}
	for _, token := range tokens {
		if strings.Contains(exported, token) {
			t.Error("a token is exported")
		}
	}
	to.send("POST /keygate/import", exported).want(t, 400, "old:scope", "nothing was imported")
	to.send("POST /keygate/import?allow_unknown_scope=true", exported, "Content-Type", "application/jsonl").want(t, 200, `"imported":6`, `"errors":[]`)
	if again := to.send("GET /keygate/export", "").body; again != exported {
		t.Errorf("exported again:\n%s\nfirst:\n%s", again, exported)
	}
	for _, token := range tokens[:len(tokens)-1] {
		id, ok := apikey.Parse("patra", token)
		if !ok {
			t.Fatal("no token")
		}
		was, _, _ := from.store.Lookup(id)
		is, found, err := to.store.Lookup(id)
		if !found || err != nil || !is.Hash.Equal(apikey.HashToken(token)) || is.State != was.State || is.ExpiresAt != was.ExpiresAt {
			t.Errorf("%s: %+v, was %+v (%v)", id, is, was, err)
		}
	}
	was, _, _, _ := from.store.LookupOpaque(apikey.HashToken("sk_live_abc"))
	if is, _, found, err := to.store.LookupOpaque(apikey.HashToken("sk_live_abc")); !found || err != nil || is != was {
		t.Errorf("the opaque key is %s, was %s (%v)", is, was, err)
	}
	to.send("POST /keygate/import?allow_unknown_scope=true", exported).want(t, 409, "line 1: ", "exists already", "(6 lines are bad)")
}

// The audit trail tells every change, and no token or hash.
func TestAPIAudit(t *testing.T) {
	s := serveAPI(t)
	tokens := fillAPI(s)
	id, made, _ := s.create()
	tokens = append(tokens, made.Token)
	s.send(keyURL("PATCH", id), `{"name":"after"}`).want(t, 200)
	s.send(keyURL("PATCH", id), `{"name":"after"}`).want(t, 200) // changes nothing
	s.send(keyURL("DELETE", id), "").want(t, 204)

	var all strings.Builder
	var seqs []uint64
	for cursor := ""; ; {
		got := s.send("GET /keygate/audit?limit=2&cursor="+cursor, "").want(t, 200)
		all.WriteString(got.body)
		var page AuditResponse
		if err := json.Unmarshal([]byte(got.body), &page); err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Entries {
			seqs = append(seqs, e.Seq)
			if e.Via != "api test" || !e.At.Equal(apiStart) {
				t.Errorf("%+v", e)
			}
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	for i, seq := range seqs {
		if seq != uint64(len(seqs)-i) {
			t.Fatalf("not newest first without gaps: %v", seqs)
		}
	}
	for _, token := range tokens {
		hash := apikey.HashToken(token)
		for _, secret := range []string{token, token[max(0, len(token)-30):], hex.EncodeToString(hash[:]), "sha256"} {
			if strings.Contains(all.String(), secret) {
				t.Errorf("a secret is in the audit trail: %s", all.String())
			}
		}
	}
	for _, ref := range []string{id, "patra_" + id} {
		got := s.send("GET /keygate/audit?key="+ref, "").want(t, 200, `"name":{"from":"Zapier","to":"after"}`)
		var page AuditResponse
		if err := json.Unmarshal([]byte(got.body), &page); err != nil {
			t.Fatal(err)
		}
		var actions []string
		for _, e := range page.Entries {
			actions = append(actions, e.Action)
		}
		if strings.Join(actions, " ") != "delete update create" {
			t.Errorf("%v", actions)
		}
	}
	for _, query := range []string{"?cursor=0", "?cursor=-1", "?cursor=x", "?limit=1001", "?key=x", "?since=1"} {
		s.send("GET /keygate/audit"+query, "").want(t, 400)
	}
}

func TestAPIScopesUnknown(t *testing.T) {
	s := serveAPI(t)
	s.send("GET /keygate/scopes", "").want(t, 200, `"unknown":[]`, `{"scope":"invoices:read","description":"","catalogue":false,"routes":["GET /v1/invoices"]}`)
	var lines strings.Builder
	for i := range maxHolders + 1 {
		lines.WriteString(strings.Replace(apitest.OpaqueLine(string(rune('0'+i))), "posts:read", `b:x","a:x","invoices:read`, 1) + "\n")
	}
	s.send("POST /keygate/import?allow_unknown_scope=true", lines.String()).want(t, 200)
	var resp ScopesResponse
	if err := json.Unmarshal([]byte(s.send("GET /keygate/scopes", "").want(t, 200).body), &resp); err != nil {
		t.Fatal(err)
	}
	if len(resp.Held) != 3 || resp.Held[2].Scope != "invoices:read" || resp.Held[2].Count != maxHolders+1 {
		t.Errorf("held are %+v", resp.Held)
	}
	if len(resp.Unknown) != 2 || resp.Unknown[0].Scope != "a:x" || resp.Unknown[1].Scope != "b:x" {
		t.Fatalf("%+v", resp.Unknown)
	}
	for _, u := range resp.Unknown {
		if u.Count != maxHolders+1 || len(u.Keys) != maxHolders {
			t.Errorf("%s: %d keys, %d named", u.Scope, u.Count, len(u.Keys))
		}
	}
}

func TestAPICheckAndBackup(t *testing.T) {
	s := serveAPI(t)
	fillAPI(s)
	s.send("GET /keygate/check", "").want(t, 200, `{"keys":6,"damaged":[]}`)
	if backup := s.send("GET /keygate/backup", "").want(t, 200); len(backup.body) < 4096 {
		t.Errorf("a backup of %d bytes", len(backup.body))
	}
}

func TestAPIUnknownPaths(t *testing.T) {
	api := New(Options{})
	for request, status := range map[string]int{
		"GET /keygate/":                           404,
		"GET /keygate/nothing":                    404,
		"GET /keygate/keys/000000000001/":         404,
		"POST /keygate/keys/000000000001/revoke/": 404,
		"POST /keygate/keys/000000000001/explode": 404,
		"PUT /keygate/keys":                       405,
		"GET /keygate/keys/000000000001/revoke":   405,
		"DELETE /keygate/audit":                   405,
	} {
		method, path, _ := strings.Cut(request, " ")
		w := httptest.NewRecorder()
		api.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		if w.Code != status {
			t.Errorf("%s: %d %s, want status %d", request, w.Code, w.Body, status)
		}
	}
}

// A stream that fails before its first byte is an error, after it a broken
// answer.
func TestStreamBreaks(t *testing.T) {
	w := httptest.NewRecorder()
	err := stream{"text/plain", "x", func(io.Writer) error { return keystore.ErrClosed }}.serve(w)
	if !errors.Is(err, keystore.ErrClosed) || statusOf(err) != 503 || w.Header().Get("Content-Disposition") != "" {
		t.Errorf("before: %v, %v", err, w.Header())
	}
	err = stream{"text/plain", "x", func(w io.Writer) error { return errors.Join(second(w.Write([]byte("x"))), keystore.ErrClosed) }}.serve(w)
	if broken := (*BrokenStreamError)(nil); !errors.As(err, &broken) || !errors.Is(err, keystore.ErrClosed) {
		t.Errorf("after: %v", err)
	}
}

func second(_ int, err error) error { return err }
