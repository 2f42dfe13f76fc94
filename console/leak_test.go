package console

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// The list warns of every key that leaked and still works, also of those that are on
// another page, or that the filter leaves out, and of no other.
func TestLeaksAreOfAllKeys(t *testing.T) {
	s := newSite(t)
	for i := range pageSize {
		s.has(i+1, named(fmt.Sprintf("Key %03d", i)))
	}
	last := s.has(900, named("Zapier"))
	gone, ended, off := s.has(901, named("Zendesk")), s.has(902, named("Zoho")), s.has(903, named("Zulip"))
	elsewhere := s.has(904, named("Secret project"), of("globex"))
	s.leaks(last, "report", "grace")
	s.wait(time.Hour)
	for _, id := range []apikey.ID{gone, elsewhere} {
		s.leaks(id, "report", "grace")
	}
	s.leaks(ended, "revoke", "grace")
	s.leaks(off, "disable", "grace")
	if err := s.store.Delete(gone, by, func(*apikey.Key) error { return nil }); err != nil {
		t.Fatal(err)
	}
	says := func(path, title string, names ...string) {
		t.Helper()
		words := s.get(path).want(http.StatusOK).byTest("leaks")
		if !strings.Contains(words, title) {
			t.Errorf("%s says %q, want %q", path, words, title)
		}
		for _, name := range []string{"Zapier", "Zendesk", "Zoho", "Zulip", "Secret project", "Key 001"} {
			if told := strings.Contains(words, name); told != slices.Contains(names, name) {
				t.Errorf("%s tells of %s: %t", path, name, told)
			}
		}
	}
	for _, path := range []string{"/", "/?q=Key", "/?status=disabled", "/?q=nothing", "/?q=Zapier"} {
		says(path, "The secret of a key leaked, and the key still works", "Zapier")
	}
	next := nextPage.FindStringSubmatch(s.get("/").body)[1]
	says(strings.ReplaceAll(next, "&amp;", "&"), "The secret of a key leaked, and the key still works", "Zapier")
	if _, err := s.store.Update(off, "enable", by, func(k *apikey.Key) error { k.Disabled = false; return nil }); err != nil {
		t.Fatal(err)
	}
	says("/", "The secrets of 2 keys leaked, and the keys still work", "Zapier", "Zulip")
	s.authority.Workspace = adminapi.AllWorkspaces
	says("/", "The secrets of 3 keys leaked, and the keys still work", "Zapier", "Zulip", "Secret project")
	s.only(adminapi.VerbList)
	says("/", "")
}

// Of very many keys that leaked the list names the newest, and says that there are more.
func TestManyLeaks(t *testing.T) {
	s := newSite(t)
	for i := range mostLeaks + 1 {
		s.leaks(s.has(i+1, named(fmt.Sprintf("Key %03d", i))), "report", "grace")
	}
	words := s.get("/").byTest("leaks")
	if want := fmt.Sprintf("The secrets of more than %d keys leaked, and the keys still work", mostLeaks); !strings.Contains(words, want) || strings.Contains(words, "Key 000") || !strings.Contains(words, "Key 001") {
		t.Errorf("%q", words)
	}
}

// leaks reports that the secret of a key leaked.
func (s *site) leaks(id apikey.ID, action, who string) {
	s.t.Helper()
	by := keystore.Actor{At: s.now(), Via: "api 127.0.0.1:4711", By: who, Reason: adminapi.ReasonLeaked}
	_, err := s.store.Update(id, action, by, func(k *apikey.Key) error {
		k.Disabled = k.Disabled || action == "disable"
		if action == "revoke" {
			k.Revoke(s.now())
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// Where a secret leaked, the list and the page of the key say so, however much was
// done since, with what is to be done now.
func TestLeaks(t *testing.T) {
	for action, want := range map[string]struct{ deed, now string }{
		"report":  {"grace reported that its secret leaked 2 hours ago", "The key still works, also for whoever has found it. Rotate it for those who need it, and revoke it ."},
		"disable": {"grace reported that its secret leaked, and disabled it 2 hours ago", "Nobody can use the key now."},
		"revoke":  {"grace reported that its secret leaked, and revoked it for good 2 hours ago", "The key is revoked, so nobody can use it."},
	} {
		t.Run(action, func(t *testing.T) {
			s := newSite(t)
			id := s.has(1, named("Zapier"))
			s.has(2)
			path := "/keys/" + id.String()
			s.leaks(id, action, "grace")
			s.wait(2 * time.Hour)
			if action != "revoke" {
				for i := range historyPage + 5 {
					if _, err := s.store.Update(id, "update", keystore.Actor{At: s.now()}, func(k *apikey.Key) error { k.Description = fmt.Sprint(i); return nil }); err != nil {
						t.Fatal(err)
					}
				}
			}
			s.get(path).want(http.StatusOK, "The secret of this key leaked", want.deed, want.now).lacks("4711")
			s.get("/keys/Key000000002").lacks("leaked")
			list := s.get("/").want(http.StatusOK, "secret leaked 2 hours ago")
			if told := strings.Contains(list.text(), "The secret of a key leaked, and the key still works"); told != (action == "report") {
				t.Errorf("the list: %s", list.text())
			}
			s.get(path+"?history=99").want(http.StatusOK, "The secret of this key leaked")
			if older := s.get(path).elements("a"); action != "revoke" {
				link := ""
				for _, n := range older {
					if strings.Contains(attr(n, "href"), "history=") {
						link = attr(n, "href")
					}
				}
				s.get(strings.TrimPrefix(strings.TrimSuffix(link, "#history"), base)).want(http.StatusOK, want.deed)
			}
			s.leaks(id, "report", "")
			s.get(path).want(http.StatusOK, "Somebody reported that its secret leaked just now", "It came by api 127.0.0.1:4711.", "It was reported 2 times.")
			s.authority.May = slices.DeleteFunc(adminapi.Verbs(), func(v adminapi.Verb) bool { return v == adminapi.VerbHistory })
			s.get(path).want(http.StatusOK).lacks("leaked")
			s.get("/").want(http.StatusOK, "Zapier").lacks("leaked")
		})
	}
}
