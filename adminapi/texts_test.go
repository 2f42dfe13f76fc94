package adminapi

import (
	"strings"
	"testing"

	"github.com/socialpatra/keygate/internal/apitest"
	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/keystore/storetest"
)

// What a text says of a key is what is known of it.
func TestTextsSayWhatIsKnown(t *testing.T) {
	s := serveAPI(t)
	id, made, _ := s.create()
	explain := func(named string) string {
		return s.send("POST /keygate/explain", `{`+named+`,"method":"GET","path":"/v1/invoices","at":"2026-12-24T18:00:00Z"}`).want(t, 200).body
	}
	s.clock.Store(apiStart.AddDate(0, 0, 3).UnixNano())
	s.send(keyURL("POST", id, "/revoke"), "").want(t, 200, `"revoked_at":"2026-11-26T10:00:00Z"`)
	s.clock.Store(apiStart.AddDate(0, 1, 0).UnixNano())
	for _, named := range []string{`"key":"` + id + `"`, `"token":"` + made.Token + `"`} {
		if got := explain(named); !strings.Contains(got, `"compared":"revoked at 2026-11-26T10:00:00Z"`) {
			t.Errorf("%s: %s", named, got)
		}
	}
	s.failing = &storetest.Failing{Store: s.store, Method: "Get", Err: keystore.ErrDamaged}
	if got := explain(`"key":"` + id + `"`); !strings.Contains(got, `"compared":"revoked"`) {
		t.Errorf("the record cannot be read: %s", got)
	}
	s.failing = nil
	disabled, _, _ := s.create()
	s.send(keyURL("POST", disabled, "/disable"), "").want(t, 200)
	if got := explain(`"key":"` + disabled + `"`); strings.Contains(got, "disabled at") {
		t.Errorf("nobody knows since when: %s", got)
	}
	expired, _, _ := s.create(`"expires_at":"2026-12-23T12:00:00Z"`)
	if got := explain(`"key":"` + expired + `"`); strings.Contains(got, "expired at 2026-12-24") || !strings.Contains(got, "2026-12-23T12:00:00Z") {
		t.Errorf("it expired a day before: %s", got)
	}
	s.send("POST /keygate/import", apitest.OpaqueLine("sk_1")).want(t, 200)
	if got := s.send("POST /keygate/import", apitest.OpaqueLine("sk_1")).want(t, 409, "has the same token").body; strings.Contains(got, "with this ID") {
		t.Errorf("the ID is another: %s", got)
	}
}
