package console

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
)

// What a button leads to asks first, and then does it and says so.
func TestDeeds(t *testing.T) {
	for name, c := range map[string]struct {
		from   func(*apikey.Key)
		asks   string
		notice string
		done   func(apikey.Key) bool
	}{
		"disable": {func(*apikey.Key) {}, "you can enable it again", "The key is disabled", func(k apikey.Key) bool { return k.Disabled }},
		"enable":  {disabled, "let in again", "The key is enabled", func(k apikey.Key) bool { return !k.Disabled }},
		"revoke":  {func(*apikey.Key) {}, "This is final.", "The key is revoked", func(k apikey.Key) bool { return !k.RevokedAt.IsZero() }},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			id := s.has(1, c.from).String()
			path := "/keys/" + id
			if !strings.Contains(s.get(path).body, `href="`+base+path+"/"+name+`"`) {
				t.Errorf("the key's page does not lead to %s", name)
			}
			form := s.get(path+"/"+name).want(http.StatusOK, c.asks, "Key number 1").form(path + "/" + name)
			if c.done(s.key(id)) {
				t.Fatal("asking has done it")
			}
			// Another visitor changes the key after the question.
			s.store.Update(s.key(id).ID, "update", by, func(k *apikey.Key) error { k.Description = "other"; return nil })
			form = s.post(path+"/"+name, form).want(http.StatusPreconditionFailed, "changed this key meanwhile").form(path + "/" + name)
			if c.done(s.key(id)) {
				t.Fatal("it was done to another version")
			}
			got := s.post(path+"/"+name, form).want(http.StatusSeeOther)
			if to := got.header.Get("Location"); to != base+path+"?done="+name+"d" || !c.done(s.key(id)) {
				t.Errorf("to %s, %+v", to, s.key(id))
			}
			s.get(path+"?done="+name+"d").want(http.StatusOK, c.notice)
			s.get(path+"/"+name).want(http.StatusOK, "There is nothing to "+name)
		})
	}
}

func TestDeleteAsksForTheName(t *testing.T) {
	s := newSite(t)
	id := s.has(1, named("Überblick “1”")).String()
	path := "/keys/" + id + "/delete"
	form := s.get(path).want(http.StatusOK, "gone for good", "Überblick “1”").form(path)
	for _, typed := range []string{"", "Überblick", "überblick “1”", "Überblick “1” ", id} {
		form.Set("confirm", typed)
		got := s.post(path, form).want(http.StatusUnprocessableEntity, "not the name of the key")
		if kept := got.form(path).Get("confirm"); kept != typed {
			t.Errorf("%q was typed, %q is there", typed, kept)
		}
	}
	form.Set("confirm", "Überblick “1”")
	if got := s.post(path, form).want(http.StatusSeeOther); got.header.Get("Location") != base+"/?done=deleted" || s.count() != 0 {
		t.Errorf("to %s, %d keys", got.header.Get("Location"), s.count())
	}
	s.get("/?done=deleted").want(http.StatusOK, "The key is deleted.", "No keys yet")
	s.post(path, form).want(http.StatusNotFound)
}

func TestRotate(t *testing.T) {
	s := newSite(t)
	id := s.has(1, named("Bot")).String()
	path := "/keys/" + id
	form := s.get(path+"/rotate").want(http.StatusOK, "Both keys work for a while", "Together the two stay within the limits of one key").form(path + "/rotate")
	if form.Get("overlap") != usualOverlap {
		t.Errorf("overlap %q", form.Get("overlap"))
	}
	form.Set("overlap", "soon")
	s.post(path+"/rotate", form).want(http.StatusUnprocessableEntity, "One thing is to be corrected")
	form.Set("overlap", "168h")
	token := s.post(path+"/rotate", form).want(http.StatusOK, "Copy your new key", "The old key works until in 7 days as well").byTest("token")
	next, ok := apikey.Parse("patra", token)
	if !ok || s.key(id).ReplacedBy != next || s.key(next.String()).CreatedBy != "ada" {
		t.Fatalf("%q replaces it by %v", token, s.key(id).ReplacedBy)
	}
	again := s.post(path+"/rotate", form).want(http.StatusConflict, "rotated already, to "+next.String())
	if apikey.ContainsToken(again.body) || s.count() != 2 {
		t.Errorf("%d keys", s.count())
	}
	s.get(path+"/rotate").want(http.StatusOK, "rotated already")
	s.get(path).want(http.StatusOK, "Rotated to a new key", "not used yet", "ada rotated it").lacks("Something still uses it")
	s.get("/keys/"+next.String()).want(http.StatusOK, "Rotated from Bot")
	// A key that was changed meanwhile is not rotated as it was.
	other := s.has(2).String()
	form = s.get("/keys/" + other + "/rotate").form("/keys/" + other + "/rotate")
	s.store.Update(s.key(other).ID, "update", by, func(k *apikey.Key) error { k.Name = "other"; return nil })
	s.post("/keys/"+other+"/rotate", form).want(http.StatusPreconditionFailed, "changed this key meanwhile")
	for _, n := range []int{3, 4} {
		id := s.has(n, map[int]func(*apikey.Key){3: disabled, 4: revoked}[n]).String()
		s.get("/keys/"+id+"/rotate").want(http.StatusOK, "Only an active key can be rotated")
		s.post("/keys/"+id+"/rotate", url.Values{"overlap": {"1h"}}).want(http.StatusConflict)
	}
}

// In a full workspace a key can be rotated if the old one stops at once, as the page
// says where that is chosen.
func TestRotateInAFullWorkspace(t *testing.T) {
	s := newSite(t)
	s.authority.Bounds.Keys = 2
	s.has(2)
	path := "/keys/" + s.has(1).String() + "/rotate"
	form := s.get(path).form(path)
	got := s.post(path, form).want(http.StatusUnprocessableEntity, "One thing is to be corrected").lacks("Change the key first", "cannot be done with the key as it is")
	if words := wordsAt(got, "overlap"); !strings.Contains(words, "stops at once") {
		t.Errorf("it says %q", words)
	}
	if form = got.form(path); form.Get("overlap") != usualOverlap {
		t.Errorf("%q is chosen", form.Get("overlap"))
	}
	form.Set("overlap", "0s")
	s.post(path, form).want(http.StatusOK, "Copy your new key", "The old key has stopped working.")
}

// What the operator asks of addresses and websites is said at their fields. A key that
// has what keys here may not have can be changed: the page says to empty the field.
func TestPlacesThatAreBound(t *testing.T) {
	for name, c := range map[string]struct {
		presence  adminapi.Presence
		has       bool
		says      string
		isFixed   bool // nobody can type there
		saved     int  // the status if the form is sent untouched
		ifEmptied int  // and if the field is empty
	}{
		"optional":                 {adminapi.Optional, true, "Empty: any.", false, http.StatusSeeOther, http.StatusSeeOther},
		"optional, empty":          {adminapi.Optional, false, "Empty: any.", false, http.StatusSeeOther, http.StatusSeeOther},
		"required":                 {adminapi.Required, true, "At least one.", false, http.StatusSeeOther, http.StatusUnprocessableEntity},
		"required, empty":          {adminapi.Required, false, "At least one.", false, http.StatusUnprocessableEntity, http.StatusUnprocessableEntity},
		"none may be there":        {adminapi.Forbidden, true, "Keys here have none. Empty this field, or the key cannot be saved.", false, http.StatusUnprocessableEntity, http.StatusSeeOther},
		"none may be there, empty": {adminapi.Forbidden, false, "Keys here have none.", true, http.StatusSeeOther, http.StatusSeeOther},
	} {
		t.Run(name, func(t *testing.T) {
			for field, value := range map[string]string{"allowed_ips": "203.0.113.7", "allowed_origins": "https://shop.example"} {
				s := newSite(t)
				bound := &s.authority.Bounds.IPs
				if field == "allowed_origins" {
					bound = &s.authority.Bounds.Origins
				}
				*bound = c.presence
				path := "/keys/" + s.has(1, func(k *apikey.Key) {
					if c.has && field == "allowed_ips" {
						k.AllowedIPs = []string{value}
					} else if c.has {
						k.AllowedOrigins = []string{value}
					}
				}).String() + "/edit"
				got := s.get(path).want(http.StatusOK)
				if hint := hintAt(got, field); !strings.Contains(hint, c.says) || c.presence != adminapi.Optional && strings.Contains(hint, "any.") {
					t.Errorf("at %s it says %q", field, hint)
				}
				for _, n := range got.elements("textarea") {
					if _, fixed := attrOK(n, "readonly"); attr(n, "name") == field && fixed != c.isFixed {
						t.Errorf("%s is read-only: %t", field, fixed)
					}
				}
				form := got.form(path)
				refused := s.post(path, form).want(c.saved)
				if c.saved == http.StatusUnprocessableEntity && wordsAt(refused, field) == "" {
					t.Errorf("nothing is said at %s", field)
				}
				form.Set("etag", s.get(path).form(path).Get("etag"))
				form.Set(field, "")
				s.post(path, form).want(c.ifEmptied)
			}
		})
	}
}

// hintAt returns the hint of a field.
func hintAt(a answer, field string) string {
	for _, n := range a.elements("p") {
		if attr(n, "id") == "h-"+field && n.FirstChild != nil {
			return n.FirstChild.Data
		}
	}
	return ""
}

// After a switch the old key's page says whether anybody still uses it.
func TestSwitchover(t *testing.T) {
	const waiting, still, safe, ended = "not used yet", "Something still uses it", "safe to delete", "does not work any more"
	for name, c := range map[string]struct {
		old, next []time.Duration // uses after the switch, in the order of time
		look      time.Duration
		want      string
	}{
		"nobody yet":               {nil, nil, time.Hour, waiting},
		"the old one only":         {[]time.Duration{time.Hour}, nil, 2 * time.Hour, still},
		"the new one only":         {nil, []time.Duration{time.Hour}, 2 * time.Hour, safe},
		"both, the old one lately": {[]time.Duration{3 * time.Hour}, []time.Duration{time.Hour}, 4 * time.Hour, still},
		"both, a minute ago":       {[]time.Duration{time.Hour}, []time.Duration{time.Hour + 2*time.Minute}, time.Hour + 3*time.Minute, still},
		"the old one long ago":     {[]time.Duration{time.Hour}, []time.Duration{2 * time.Hour}, 26 * time.Hour, safe},
		"the new one long ago":     {[]time.Duration{2 * time.Hour}, []time.Duration{time.Hour}, 30 * time.Hour, still},
		"the same minute":          {[]time.Duration{0}, []time.Duration{time.Hour}, 2 * time.Hour, still},
		"after its end":            {[]time.Duration{time.Hour}, nil, 8 * 24 * time.Hour, ended},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			id := s.has(1)
			s.wait(time.Hour)
			s.used(id, 1, 0, 0)
			s.wait(24*time.Hour + 30*time.Second)
			s.post("/keys/"+id.String()+"/rotate", url.Values{"overlap": {"168h"}}).want(http.StatusOK)
			next := s.key(id.String()).ReplacedBy
			at := s.clock.Load()
			for _, key := range []struct {
				id   apikey.ID
				uses []time.Duration
			}{{id, c.old}, {next, c.next}} {
				for _, after := range key.uses {
					s.clock.Store(at + int64(after/time.Second))
					s.used(key.id, 2, 0, 0)
				}
			}
			s.clock.Store(at + int64(c.look/time.Second))
			page := s.get("/keys/"+id.String()).want(http.StatusOK, c.want)
			for _, other := range []string{safe, ended} {
				if other != c.want {
					page.lacks(other)
				}
			}
			if c.want != still {
				page.lacks(still)
			}
		})
	}
}

// An operator may have narrowed the bounds since a key was made: what the key has
// too much is told, and how to mend it.
func TestBoundsHoldOldKeys(t *testing.T) {
	s := newSite(t)
	far, plain := s.has(1, ending(start.Add(300*24*time.Hour)), disabled).String(), s.has(2, holding("posts:write", "posts:read")).String()
	s.authority.Bounds = adminapi.Bounds{Scopes: []string{"posts:read"}, Expiry: adminapi.ExpiryBounds{Max: 30}}
	s.post("/keys/"+far+"/enable", url.Values{}).want(http.StatusUnprocessableEntity, "cannot be done with the key as it is", "Expiry:", "Change the key first")
	s.post("/keys/"+plain+"/rotate", url.Values{"overlap": {"1h"}}).want(http.StatusUnprocessableEntity, "cannot be done with the key as it is", "posts:write")
	s.get("/keys/"+plain).want(http.StatusOK, "Create and change posts and drafts posts:write not allowed here any more")
	form := s.get("/keys/"+plain+"/edit").want(http.StatusOK, "Not allowed here any more").form("/keys/" + plain + "/edit")
	if got := s.post("/keys/"+plain+"/edit", form).want(http.StatusUnprocessableEntity); wordsAt(got, "scopes") == "" && wordsAt(got, "expiry") == "" {
		t.Errorf("nothing is said\n%s", got.text())
	}
	form["scopes"] = []string{"posts:read"}
	form.Set("expiry", "keep")
	if got := s.post("/keys/"+plain+"/edit", form).want(http.StatusUnprocessableEntity); wordsAt(got, "expiry") == "" {
		t.Errorf("nothing is said of the expiry\n%s", got.text())
	}
	form.Set("expiry", "30")
	s.post("/keys/"+plain+"/edit", form).want(http.StatusSeeOther)
	s.post("/keys/"+plain+"/disable", url.Values{}).want(http.StatusSeeOther) // taking is never held back
}

func TestEdit(t *testing.T) {
	s := newSite(t)
	id := s.has(1, ending(start.Add(20*24*time.Hour)), func(k *apikey.Key) {
		k.Limits, k.AllowedIPs = apikey.Limits{PerMinute: 100, PerDay: 200, Burst: 50}, []string{"203.0.113.7", "203.0.113.8"}
	}).String()
	path := "/keys/" + id + "/edit"
	form := s.get(path).want(http.StatusOK, "The secret stays the same", "Keep: 13 Dec 2026", "in 20 days").form(path)
	before := s.key(id)
	s.post(path, form).want(http.StatusSeeOther) // untouched, so nothing changes
	if after := s.key(id); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("untouched, it became %+v, was %+v", after, before)
	}
	for name, value := range map[string]string{"name": "New name", "description": "new", "expiry": "never", "per_minute": "10", "per_day": "20", "burst": "", "allowed_ips": "", "allowed_origins": "https://Shop.example"} {
		form.Set(name, value)
	}
	form["scopes"] = []string{"posts:write", "invoices:read"}
	if got := s.post(path, form).want(http.StatusSeeOther); got.header.Get("Location") != base+"/keys/"+id+"?done=saved" {
		t.Errorf("to %s", got.header.Get("Location"))
	}
	k := s.key(id)
	if k.Name != "New name" || k.Description != "new" || !k.ExpiresAt.IsZero() || k.Limits != (apikey.Limits{PerMinute: 10, PerDay: 20, Burst: 10}) || len(k.AllowedIPs) != 0 || k.AllowedOrigins[0] != "https://shop.example" ||
		strings.Join(k.Scopes, " ") != "invoices:read posts:write" {
		t.Errorf("%+v", k)
	}
	s.get("/keys/"+id+"?done=saved").want(http.StatusOK, "The changes are saved", "ada changed the settings", "Name: Key number 1 → New name", "100 a minute, 200 a day, 50 at once → 10 a minute, 20 a day, 10 at once")
	form.Set("name", "")
	if got := s.post(path, form); got.status != http.StatusPreconditionFailed {
		t.Errorf("the form of the older version: %d", got.status)
	}
	// A scope that is no more is not dropped silently.
	old := "/keys/" + s.has(3, holding("posts:read", "old:scope")).String() + "/edit"
	form = s.get(old).want(http.StatusOK, "Scope old old:scope Not allowed here any more").form(old)
	if got := s.post(old, form).want(http.StatusUnprocessableEntity); !strings.Contains(wordsAt(got, "scopes"), `may not have "old:scope". Untick it.`) {
		t.Errorf("%s", wordsAt(got, "scopes"))
	}
	form["scopes"] = []string{"posts:read"}
	s.post(old, form).want(http.StatusSeeOther)
	s.get("/keys/"+s.has(2, revoked).String()+"/edit").want(http.StatusOK, "A revoked key never changes")
}

// Of two who edit one key the second is told, sees both versions, and has lost
// nothing; then either version can be kept.
func TestLostUpdates(t *testing.T) {
	s := newSite(t)
	id := s.has(1).String()
	path := "/keys/" + id + "/edit"
	first, second := s.get(path).form(path), s.get(path).form(path)
	first.Set("name", "first")
	first.Set("per_day", "77")
	s.authority.Actor = "grace"
	s.post(path, first).want(http.StatusSeeOther)
	s.authority.Actor = "ada"
	second.Set("name", "second")
	second.Set("description", "mine")
	second.Set("expiry", "30")
	clash := s.post(path, second).want(http.StatusPreconditionFailed, "Somebody else has changed this key meanwhile", "first", "second", "77", "10000", "never", "in 30 days")
	if k := s.key(id); k.Name != "first" || k.Limits.PerDay != 77 {
		t.Errorf("%+v", k)
	}
	form := clash.form(path)
	for name, want := range second {
		if name != "etag" && form.Get(name) != want[0] {
			t.Errorf("%s: %q was typed, %q is there", name, want[0], form.Get(name))
		}
	}
	s.post(path, form).want(http.StatusSeeOther)
	if k := s.key(id); k.Name != "second" || k.Description != "mine" || k.Limits.PerDay != 10_000 {
		t.Errorf("%+v", k)
	}
	// Also if somebody is faster between the look at the key and its change.
	form = s.get(path).form(path)
	form.Set("name", "late")
	s.race = func() {
		s.store.Update(s.key(id).ID, "update", by, func(k *apikey.Key) error { k.Description = "faster"; return nil })
	}
	s.post(path, form).want(http.StatusPreconditionFailed, "faster", "late")
	if k := s.key(id); k.Name != "second" || k.Description != "faster" {
		t.Errorf("%+v", k)
	}
	// The same change twice is no clash of anything.
	third := s.get(path).form(path)
	third.Set("name", "third")
	s.post(path, third).want(http.StatusSeeOther)
	s.post(path, third).want(http.StatusPreconditionFailed, "There is nothing left to save")
}
