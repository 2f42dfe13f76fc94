package adminapi

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/internal/apitest"
	"github.com/socialpatra/keygate/keystore"
)

// Who makes a change is in the trail, whatever the change, and in the record of
// what is made; of other requests it is no matter. It is marked as a claim.
func TestAPITellsWho(t *testing.T) {
	for _, who := range []string{"Ada Lovelace", "für 100 %", strings.Repeat("ü", 200), ""} {
		s := serveAPI(t)
		id, _, _ := s.create()
		var header []string
		if who != "" {
			header = []string{ByHeader, url.PathEscape(who)}
		}
		last := func() (e keystore.AuditEntry) {
			t.Helper()
			page, err := s.store.Audit(keystore.AuditQuery{Limit: 1})
			if err != nil || len(page.Entries) != 1 {
				t.Fatal(page, err)
			}
			return page.Entries[0]
		}
		bodies := fullBodies(id)
		operations := servedOperations(id)
		for _, operation := range operations {
			method, target, _ := strings.Cut(operation, " ")
			another, fresh, _ := s.create()
			target = strings.Replace(target, id, another, 1)
			before := last()
			body, more := bodies[operation].body, header
			if strings.HasSuffix(target, "/import") {
				body, more = apitest.OpaqueLine("token of "+another), append([]string{"Content-Type", "application/jsonl"}, header...)
			}
			if target == LeakedPath {
				body = `{"text":"` + fresh.Token + `","then":"report"}`
			}
			if strings.HasSuffix(target, "/enable") {
				s.send("POST "+KeysPath+"/"+another+"/disable", "").want(t, 200)
				before = last()
			}
			if operation == "DELETE "+WorkspacesPath+"/acme" {
				s.send("PATCH "+WorkspacesPath+"/acme", `{"limits":{"per_day":77}}`).want(t, 200)
				before = last()
			}
			got := s.send(method+" "+target, body, more...)
			if got.status > 299 {
				t.Errorf("%s: %d %s", operation, got.status, got.body)
			}
			after := last()
			if method == "GET" || strings.HasSuffix(target, "/explain") || strings.HasSuffix(target, "/check") {
				if after.Seq != before.Seq {
					t.Errorf("%s is in the trail: %+v", operation, after)
				}
				continue
			}
			if after.Seq == before.Seq || after.By != who || after.Claimed != (who != "") {
				t.Errorf("%s by %q is in the trail as %+v", operation, who, after)
			}
			var made TokenResponse
			if err := json.Unmarshal([]byte(got.body), &made); err == nil && made.Token != "" && made.Key.CreatedBy != who {
				t.Errorf("%s by %q: created_by is %q", operation, who, made.Key.CreatedBy)
			}
		}
	}
}

// A name that is none is refused before anything is done.
func TestAPIRefusesActors(t *testing.T) {
	s := serveAPI(t)
	id, token, _ := s.create()
	page, err := s.store.Audit(keystore.AuditQuery{})
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"empty":             "",
		"blank":             "%20",
		"a line break":      "a%0Ab",
		"a bidi control":    "a%E2%80%AEb",
		"not UTF-8":         "%FF",
		"no encoding":       "100%",
		"two spaces":        "a%20%20b",
		"a token":           token.Token,
		"more than 200":     strings.Repeat("a", 201),
		"201 of two bytes":  url.PathEscape(strings.Repeat("ü", 201)),
		"invisible":         "%E2%80%8B",
		"NUL":               "a%00",
		"a private use one": "%EE%80%80",
	} {
		for _, operation := range servedOperations(id) {
			got, err := s.try(operation, "", ByHeader, value)
			if err != nil && !strings.Contains(err.Error(), "openapi.yaml") {
				t.Fatal(err)
			}
			if got.status != 400 || strings.Contains(got.body, token.Token) {
				t.Errorf("%s, %s: %d %s", name, operation, got.status, got.body)
			}
		}
	}
	if after, err := s.store.Audit(keystore.AuditQuery{}); err != nil || len(after.Entries) != len(page.Entries) {
		t.Errorf("something was changed: %+v, %v", after, err)
	}
}
