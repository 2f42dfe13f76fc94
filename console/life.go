package console

import (
	"net/http"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
)

// deed is something that is done with a key after a question.
type deed struct {
	name, title string
	notice      string
	verb        adminapi.Verb
	method      string
	can         func(actions) bool
}

var keyDeeds = map[string]deed{
	"disable": {"disable", "Disable this key?", "disabled", adminapi.VerbDisable, http.MethodPost, func(a actions) bool { return a.Disable }},
	"enable":  {"enable", "Enable this key?", "enabled", adminapi.VerbDisable, http.MethodPost, func(a actions) bool { return a.Enable }},
	"revoke":  {"revoke", "Revoke this key for good?", "revoked", adminapi.VerbRevoke, http.MethodPost, func(a actions) bool { return a.Revoke }},
	"delete":  {"delete", "Delete this key?", "deleted", adminapi.VerbDelete, http.MethodDelete, func(a actions) bool { return a.Delete }},
}

// deedPage asks before something is done.
type deedPage struct {
	shell
	Deed     string
	Key      apikey.Record
	Status   status
	Used     moment
	ETag     string
	Can      bool
	NoPowers bool
	Clash    bool   // somebody has changed the key since the question
	Typed    string // the name, to confirm
	Problems problems

	// Of a rotation.
	Overlaps []choice
	Overlap  string
	Ends     moment // when the old key expires anyway
	Bound    string // why this may not be done with the key as it is
	Capped   bool   // the new key inherits an expiry
}

func (v *visit) deedPage(d deed, k *apikey.Record, etag string) deedPage {
	return deedPage{
		shell: v.shell(d.title), Deed: d.name, Key: *k, Status: statusOf(k.Status), Used: v.moment(k.LastUsedAt, "never"), ETag: etag,
		Can: d.can(v.actions(k)), NoPowers: !v.may(d.verb), Problems: make(problems),
	}
}

// asking returns the handler that asks whether to do a deed.
func asking(name string) handler {
	return func(v *visit) error {
		d := keyDeeds[name]
		k, etag, err := v.key()
		if err != nil {
			return err
		}
		page := v.deedPage(d, &k, etag)
		status := http.StatusOK
		if page.NoPowers {
			status = http.StatusForbidden
		}
		return v.show(status, "deed", page)
	}
}

// doing returns the handler that does a deed.
func doing(name string) handler {
	return func(v *visit) error {
		d := keyDeeds[name]
		k, etag, err := v.key()
		if err != nil {
			return err
		}
		page := v.deedPage(d, &k, etag)
		typed := v.typed.Get("confirm")
		page.Typed = withoutToken(typed)
		switch {
		case page.NoPowers:
			return v.show(http.StatusForbidden, "deed", page)
		case name == "delete" && typed != k.Name:
			page.Problems.add("confirm", "This is not the name of the key. Type it as it is written above.")
			return v.show(http.StatusUnprocessableEntity, "deed", page)
		}
		path, header := v.keyPath("/"+name), []string{}
		if d.method == http.MethodDelete {
			path = v.keyPath("")
		}
		if tag := v.typed.Get("etag"); tag != "" {
			header = append(header, "If-Match", tag)
		}
		answer := v.do(d.method, path, nil, header...)
		if answer.Status == http.StatusPreconditionFailed {
			page.Clash = true
			return v.show(answer.Status, "deed", page)
		}
		if page.Bound = boundWords(answer.Err); page.Bound != "" {
			return v.show(http.StatusUnprocessableEntity, "deed", page)
		}
		if answer.Err != nil {
			return &refusal{status: answer.Status, err: answer.Err}
		}
		if d.method == http.MethodDelete {
			return v.seeOther("/", d.notice)
		}
		return v.seeOther("/keys/"+k.ID.String(), d.notice)
	}
}

// rotation is the deed that makes a new key.
var rotation = deed{"rotate", "Rotate the key", "", adminapi.VerbRotate, http.MethodPost, func(a actions) bool { return a.Rotate }}

var overlaps = []choice{
	{"0s", "Not at all: the old key stops at once"},
	{"1h", "1 hour"},
	{"24h", "1 day"},
	{"168h", "7 days"},
	{"720h", "30 days"},
}

const usualOverlap = "24h"

func (v *visit) rotatePage(k *apikey.Record, etag string) deedPage {
	page := v.deedPage(rotation, k, etag)
	page.Overlaps, page.Overlap, page.Ends, page.Capped = overlaps, usualOverlap, v.moment(k.ExpiresAt, ""), k.ExpiresAt != nil
	return page
}

func (v *visit) askRotate() error {
	k, etag, err := v.key()
	if err != nil {
		return err
	}
	page := v.rotatePage(&k, etag)
	status := http.StatusOK
	if page.NoPowers {
		status = http.StatusForbidden
	}
	return v.show(status, "rotate", page)
}

func (v *visit) rotate() error {
	k, etag, err := v.key()
	if err != nil {
		return err
	}
	page := v.rotatePage(&k, etag)
	if page.NoPowers {
		return v.show(http.StatusForbidden, "rotate", page)
	}
	if !k.ReplacedBy.IsZero() {
		// Also where the form is sent twice: the token was in the first answer.
		return v.show(http.StatusConflict, "rotate", page)
	}
	page.Overlap = withoutToken(v.typed.Get("overlap"))
	header := []string{}
	if tag := v.typed.Get("etag"); tag != "" {
		header = append(header, "If-Match", tag)
	}
	answer := v.do(http.MethodPost, v.keyPath("/rotate"), adminapi.RotateRequest{Overlap: &page.Overlap}, header...)
	made, _, err := answered[adminapi.TokenResponse](answer)
	if err == nil {
		old, _, err := v.key()
		if err != nil {
			old = k // the token must be shown now
		}
		return v.showToken(&made, &old)
	}
	if isClash(err) {
		page.Clash = true
		return v.show(http.StatusPreconditionFailed, "rotate", page)
	}
	if isTooMany(err) {
		page.Problems.add("overlap", tooManyToRotate)
	} else if page.Bound = boundWords(err); page.Bound == "" {
		if other := page.Problems.addError(err); other != nil {
			return other
		}
	}
	return v.show(http.StatusUnprocessableEntity, "rotate", page)
}
