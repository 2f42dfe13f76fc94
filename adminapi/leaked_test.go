package adminapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/apitest"
	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/keystore/storetest"
)

// leakedBody is a body of POST /keygate/leaked.
func leakedBody(then string, texts ...string) string {
	body, err := json.Marshal(LeakedRequest{Text: strings.Join(texts, "\n"), Then: then})
	if err != nil {
		panic(err) // it has only strings
	}
	return string(body)
}

func (s *apiServer) leaked(then string, texts ...string) (resp LeakedResponse) {
	s.t.Helper()
	got := s.send("POST /keygate/leaked", leakedBody(then, texts...)).want(s.t, 200)
	if err := json.Unmarshal([]byte(got.body), &resp); err != nil {
		s.t.Fatal(err)
	}
	for _, text := range texts {
		if len(text) > 50 && strings.Contains(got.body, text[len(text)-38:]) {
			s.t.Errorf("the answer has the token: %s", got.body)
		}
	}
	return resp
}

// trail is the history of a key, the newest first, each entry as its action, its
// reason and the fields that changed.
func (s *apiServer) trail(id string) (entries []string) {
	s.t.Helper()
	parsed, err := apikey.ParseID(id)
	if err != nil {
		s.t.Fatal(err)
	}
	page, err := s.store.Audit(keystore.AuditQuery{Key: parsed})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range page.Entries {
		entries = append(entries, fmt.Sprint(e.Action, " ", e.Reason, " ", len(e.Changes)))
	}
	return entries
}

// What is done to a key is what was asked and is not so already; the trail says
// why, whatever was done.
func TestLeaked(t *testing.T) {
	for _, before := range []string{"active", "disabled", "expired", "revoked"} {
		for then, want := range map[string][2]string{ // status and done, for an active key
			ThenLook:    {"active", "nothing"},
			ThenReport:  {"active", "reported"},
			ThenDisable: {"disabled", "disabled"},
			ThenRevoke:  {"revoked", "revoked"},
		} {
			t.Run(before+" "+then, func(t *testing.T) {
				s := serveAPI(t)
				id, made, _ := s.create(`"expires_in_days":1`)
				switch before {
				case "disabled":
					s.send(keyURL("POST", id, "/disable"), "").want(t, 200)
				case "revoked":
					s.send(keyURL("POST", id, "/revoke"), "").want(t, 200)
				case "expired":
					s.clock.Add(int64(25 * 3600 * 1e9))
				}
				history := s.trail(id)
				status, done := want[0], want[1]
				if status == "active" || before == "revoked" || before == then+"d" {
					status = before
				}
				if before == "revoked" && then != ThenLook || before == "disabled" && then == ThenDisable {
					done = "reported"
				}
				for _, again := range []bool{false, true} {
					resp := s.leaked(then, made.Token)
					if len(resp.Found) != 1 || resp.Unknown != 0 || resp.Found[0].Key == nil {
						t.Fatalf("%+v", resp)
					}
					if f := resp.Found[0]; f.Prefix != made.Key.Prefix || string(f.Was) != before && !again || string(f.Key.Status) != status || f.Done != done || f.Key.ID != made.Key.ID {
						t.Errorf("%+v, the key is %s; want %s, was %s, is %s", f, f.Key.Status, done, before, status)
					}
					entry := map[string]string{"nothing": "", "reported": "report leaked 0", "disabled": "disable leaked 1", "revoked": "revoke leaked 2"}[done]
					if entry != "" {
						history = slices.Insert(history, 0, entry)
					}
					if got := s.trail(id); !slices.Equal(got, history) {
						t.Errorf("the trail is %q, want %q", got, history)
					}
					if done != "nothing" {
						done = "reported"
					}
				}
				s.send(keyURL("GET", id), "").want(t, 200, `"status":"`+status+`"`)
			})
		}
	}
}

// Nothing but the genuine token does anything, and each token is dealt with once.
func TestLeakedNeedsTheGenuineToken(t *testing.T) {
	s := serveAPI(t)
	id, made, _ := s.create()
	other, otherMade, _ := s.create()
	forged, _ := apikey.GenerateFor("patra", made.Key.ID) // the right ID
	branded, _ := apikey.GenerateFor("other", made.Key.ID)
	stranger, _, _ := apikey.Generate("patra")
	for _, then := range []string{ThenLook, ThenReport, ThenDisable, ThenRevoke} {
		resp := s.leaked(then, forged, branded, stranger, made.Token[:56], "x", id, made.Key.Prefix)
		if len(resp.Found) != 3 || resp.Unknown != 3 {
			t.Errorf("%s: %+v", then, resp)
		}
		for i, f := range resp.Found {
			if want := []string{made.Key.Prefix, "other_" + id, stranger[:18]}[i]; f != (LeakedToken{Prefix: want, Done: "nothing"}) {
				t.Errorf("%s: %+v, want %s", then, f, want)
			}
		}
	}
	if got := s.trail(id); len(got) != 1 {
		t.Errorf("the trail is %q", got)
	}
	escaped := url.QueryEscape("&t=" + strings.ReplaceAll(otherMade.Token, "_", "%5f"))
	resp := s.leaked(ThenRevoke, made.Token, forged, made.Token, `{"key":"`+made.Token+`"}`, escaped)
	if len(resp.Found) != 3 || resp.Unknown != 1 || resp.Found[0].Done != "revoked" || resp.Found[2].Done != "revoked" {
		t.Errorf("%+v", resp)
	}
	for _, id := range []string{id, other} {
		s.send(keyURL("GET", id), "").want(t, 200, `"status":"revoked"`)
	}
}

// A token that was imported by its hash is as genuine, whatever ID it has in it.
func TestLeakedOpaqueToken(t *testing.T) {
	s := serveAPI(t)
	s.create() // look-ups of opaque tokens are not for this one
	s.send("POST /keygate/import", apitest.OpaqueLine(wholeToken)).want(t, 200)
	resp := s.leaked(ThenRevoke, wholeToken)
	if len(resp.Found) != 1 || resp.Unknown != 0 || resp.Found[0].Done != "revoked" || resp.Found[0].Key.Name != "old system" || resp.Found[0].Prefix != wholeToken[:18] {
		t.Errorf("%+v", resp)
	}
}

// What cannot be read or is too much is refused before anything is done, and the
// answer does not repeat it.
func TestLeakedRefuses(t *testing.T) {
	s := serveAPI(t)
	id, made, _ := s.create()
	many := []string{made.Token}
	for range MaxLeaked {
		token, _, _ := apikey.Generate("patra")
		many = append(many, token)
	}
	for body, want := range map[string]string{
		leakedBody("", made.Token):                          "then: is missing; accepted: look, report, disable, revoke",
		leakedBody("Revoke", made.Token):                    `then: \"Revoke\" is not accepted`,
		leakedBody(made.Token, made.Token):                  "then: ",
		leakedBody("revoke", ""):                            "text: is missing",
		leakedBody("revoke", many...):                       "text: has more than 1000 tokens",
		`{"then":"revoke","text":["` + made.Token + `"]}`:   "text: ",
		`{"then":"revoke","tokens":["` + made.Token + `"]}`: "tokens",
	} {
		if got := s.send("POST /keygate/leaked", body).want(t, 400, want); strings.Contains(got.body, made.Token[19:]) {
			t.Errorf("the answer has the token: %s", got.body)
		}
	}
	if got := s.trail(id); len(got) != 1 {
		t.Errorf("the trail is %q", got)
	}
	if resp := s.leaked(ThenRevoke, many[:MaxLeaked]...); len(resp.Found) != MaxLeaked || resp.Unknown != MaxLeaked-1 || resp.Found[0].Done != "revoked" {
		t.Errorf("of %d tokens %d are found", MaxLeaked, len(resp.Found))
	}
}

// A store that fails at the second key says that the first one was changed, and
// the same text again does the rest.
func TestLeakedThatFailsHalfway(t *testing.T) {
	s := serveAPI(t)
	_, one, _ := s.create()
	_, two, _ := s.create()
	text := one.Token + " " + two.Token
	failed := fmt.Errorf("writing: %w", keystore.Unavailable(errors.New("no space")))
	s.failing = &updateOnce{Store: s.store, then: failed}
	s.send("POST /keygate/leaked", leakedBody(ThenRevoke, text)).want(t, 503, "no space", "the change was made to 1 key before")
	s.failing = nil
	if resp := s.leaked(ThenRevoke, text); resp.Found[0].Done != "reported" || resp.Found[1].Done != "revoked" {
		t.Errorf("again: %+v", resp)
	}
}

// updateOnce is a store that fails from its second change on.
type updateOnce struct {
	keystore.Store
	done bool
	then error
}

func (s *updateOnce) Update(id apikey.ID, action string, by keystore.Actor, edit func(*apikey.Key) error) (apikey.Key, error) {
	if s.done {
		return apikey.Key{}, s.then
	}
	s.done = true
	return s.Store.Update(id, action, by, edit)
}

// A key that is deleted while its token is dealt with is an unknown one.
func TestLeakedAndDeleted(t *testing.T) {
	for _, method := range []string{"Get", "Update"} {
		s := serveAPI(t)
		_, made, _ := s.create()
		s.failing = &storetest.Failing{Store: s.store, Method: method, Err: keystore.ErrNotFound}
		if resp := s.leaked(ThenRevoke, made.Token); resp.Unknown != 1 || len(resp.Found) != 1 || resp.Found[0].Key != nil || resp.Found[0].Done != "nothing" {
			t.Errorf("%s: %+v", method, resp)
		}
	}
}
