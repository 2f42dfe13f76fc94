package adminapi

import (
	"fmt"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// lookalike is a name that nobody can tell from "acme".
const lookalike = "ac\u200bme"

// Names that look like others are refused where they come in, and those that
// are there already neither keep a key from being read, changed, rotated and
// deleted, nor are they changed with it.
func TestAPINamesThatLookLikeOthers(t *testing.T) {
	s := serveAPI(t)
	id, made, _ := s.create()
	for _, text := range []string{lookalike, "acme\U000e0041", "\u2060acme", "acme\u00a0", " acme", "a\u00adcme", "acme\ufeff", "acme\ue000", "acme\uffff"} {
		for _, field := range []string{"name", "description"} {
			member := fmt.Sprintf(`%q:"%s"`, field, text)
			settings := `"workspace":"acme","scopes":["posts:read"],` + member
			if field == "description" {
				settings += `,"name":"n"`
			}
			s.send("POST /keygate/keys", `{`+settings+`}`).want(t, 400, field+": has ", "accepted: ")
			s.send(keyURL("PATCH", id), `{`+member+`}`).want(t, 400, field+": has ", "accepted: ")
			s.send("POST /keygate/import", `{"id":"7Hk2Qp9aX3bC","hash":"sha256:`+strings.Repeat("ab", 32)+`",`+settings+`}`).want(t, 400, "line 1: "+field+": has ")
		}
	}
	_, err := s.store.Update(made.Key.ID, "update", keystore.Actor{At: apiStart}, func(k *apikey.Key) error {
		k.Name, k.Description = lookalike, " old  text "
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	kept := `"name":"` + lookalike + `","description":" old  text "`
	s.send(keyURL("GET", id), "").want(t, 200, kept)
	s.send(keyURL("PATCH", id), `{"limits":{"per_day":7}}`).want(t, 200, kept, `"per_day":7`)
	s.send(keyURL("PATCH", id), `{"name":"`+lookalike+`","limits":{"per_day":8}}`).want(t, 200, kept) // what it has already
	s.send(keyURL("PATCH", id), `{"description":"new"}`).want(t, 200, `"name":"`+lookalike+`","description":"new"`)
	s.send(keyURL("PATCH", id), `{"description":" old  text "}`).want(t, 400, "description: ")
	for _, action := range []string{"/disable", "/enable"} {
		s.send(keyURL("POST", id, action), "").want(t, 200, lookalike)
	}
	s.send(keyURL("POST", id, "/rotate"), "").want(t, 201, lookalike)
	s.send("GET /keygate/export", "").want(t, 200, lookalike)
	s.send(keyURL("PATCH", id), `{"name":"acme"}`).want(t, 200, `"name":"acme"`)
	s.send(keyURL("POST", id, "/revoke"), "").want(t, 200)
	s.send(keyURL("DELETE", id), "").want(t, 204)
}
