package console

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
)

// createPage is the form for a new key, and the summary before it is made.
type createPage struct {
	shell
	settings
	Presets  []presetLink
	Full     bool
	Max      int
	Live     int
	NoPowers bool

	// For the summary.
	Access  []scopeBox
	Ends    moment
	Limits  []string
	Places  placesPage
	Warning string
}

// usualDays is how long a key works if neither visitor nor operator choose.
const usualDays = 90

// newKey shows the form.
func (v *visit) newKey() error {
	if !v.may(adminapi.VerbCreate) {
		return v.show(http.StatusForbidden, "create", createPage{shell: v.shell("New key"), NoPowers: true})
	}
	q := v.r.URL.Query()
	f := form{
		Workspace: withoutToken(q.Get("workspace")), Scopes: presetScopes(q.Get("preset")), Nonce: newNonce(),
		PerMinute: strconv.FormatInt(v.policy.PerMinute.Default, 10), PerDay: strconv.FormatInt(v.policy.PerDay.Default, 10),
	}
	f.Expiry = v.usualExpiry()
	return v.showForm(http.StatusOK, &f, nil)
}

// usualExpiry returns the days that are chosen until the visitor chooses.
func (v *visit) usualExpiry() string {
	switch days := v.policy.Expiry; {
	case days.DefaultDays != nil:
		return strconv.Itoa(*days.DefaultDays)
	case days.MaxDays != nil:
		return strconv.Itoa(min(usualDays, *days.MaxDays))
	}
	return strconv.Itoa(usualDays)
}

// showForm shows the form with what was typed and what is to be corrected.
func (v *visit) showForm(status int, f *form, found problems) error {
	page := createPage{shell: v.shell("New key")}
	var err error
	if page.settings, err = v.settings(f, found, nil); err != nil {
		return err
	}
	page.Presets = v.presets(v.r.URL.Query().Get("preset"))
	if keys := v.policy.Keys; keys.Max != nil && keys.Live != nil {
		page.Full, page.Live, page.Max = *keys.Live >= *keys.Max, *keys.Live, *keys.Max
	}
	return v.show(status, "create", page)
}

// createKey checks the form, shows the summary, or makes the key.
func (v *visit) createKey() error {
	if !v.may(adminapi.VerbCreate) {
		return v.newKey()
	}
	f := formFrom(v.typed)
	if f.Nonce == "" {
		f.Nonce = newNonce()
	}
	found := tokensIn(v.typed)
	req := f.check(&v.policy, found)
	step := v.typed.Get("step")
	if keys := v.policy.Keys; step != "create" && keys.Max != nil && keys.Live != nil && *keys.Live >= *keys.Max {
		found.add(keysField, tooMany) // at the creation the API tells whether this form has made its key before
	}
	switch {
	case step == "change":
		return v.showForm(http.StatusOK, &f, nil)
	case len(found) > 0:
		return v.showForm(http.StatusUnprocessableEntity, &f, found)
	case step == "create":
		return v.make(&f, &req)
	default:
		return v.summary(&f, &req)
	}
}

func (v *visit) make(f *form, req *adminapi.KeyRequest) error {
	made, _, err := answered[adminapi.TokenResponse](v.do(http.MethodPost, adminapi.KeysPath, req, adminapi.OnceHeader, f.Nonce))
	if again, ok := errors.AsType[*adminapi.MadeError](err); ok {
		return v.made(again.ID.String())
	}
	if err != nil {
		found := make(problems)
		if other := found.addError(err); other != nil {
			return other
		}
		return v.showForm(http.StatusUnprocessableEntity, f, found)
	}
	return v.showToken(&made, nil)
}

// made tells that this form has made a key before.
func (v *visit) made(id string) error {
	page := madePage{shell: v.shell("This key is made already"), ID: id}
	if k, err := ask[apikey.Record](v, keyPath(id, "")); err == nil {
		page.Key = &k
	}
	return v.showSecret(http.StatusConflict, "made", page)
}

type madePage struct {
	shell
	ID  string
	Key *apikey.Record // nil: it cannot be shown, or is gone
}

func (v *visit) summary(f *form, req *adminapi.KeyRequest) error {
	page := createPage{shell: v.shell("Check the new key")}
	var err error
	if page.settings, err = v.settings(f, nil, nil); err != nil {
		return err
	}
	for _, group := range page.Groups {
		for _, box := range group.Scopes {
			if box.Checked {
				page.Access = append(page.Access, box)
			}
		}
	}
	page.Ends = moment{Text: "Never"}
	if req.ExpiresInDays != nil {
		at, err := apikey.ExpiryIn(*req.ExpiresInDays, v.at)
		if err != nil {
			return err
		}
		page.Ends = moment{at.Format("2006-01-02T15:04:05Z07:00"), fullTime(at), date(at) + ", " + away(at, v.at)}
	} else {
		page.Warning = "This key never stops by itself. Give it an end if you can, so that it cannot be forgotten."
	}
	limits := apikey.Limits{PerMinute: uint32(v.policy.PerMinute.Default), PerDay: uint32(v.policy.PerDay.Default)}
	if n := req.Limits.PerMinute; n != nil {
		limits.PerMinute = uint32(*n)
	}
	if n := req.Limits.PerDay; n != nil {
		limits.PerDay = uint32(*n)
	}
	limits.Burst = limits.PerMinute
	if n := req.Limits.Burst; n != nil {
		limits.Burst = uint32(*n)
	}
	page.Limits = limitWords(limits)
	page.Places = placesPage{*req.AllowedOrigins, *req.AllowedIPs}
	return v.show(http.StatusOK, "summary", page)
}

// placesPage says where a key may be used.
type placesPage struct{ Origins, IPs []string }

func limitWords(l apikey.Limits) []string {
	words := []string{
		countOf(uint64(l.PerMinute), "request") + " a minute",
		countOf(uint64(l.PerDay), "request") + " a day",
	}
	if l.Burst != l.PerMinute {
		words = append(words, number(l.Burst)+" at once at most")
	}
	return words
}

// newNonce tells one form from all others.
func newNonce() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// tokenPage shows a token, once.
type tokenPage struct {
	shell
	Key      apikey.Record
	Token    string
	Ends     moment
	Old      *apikey.Record // that it replaces, if it does
	OldEnds  moment
	Examples []example // none if no route is open to the key
}

func (v *visit) showToken(made *adminapi.TokenResponse, old *apikey.Record) error {
	page := tokenPage{shell: v.shell("Copy your new key"), Key: made.Key, Token: made.Token, Ends: v.moment(made.Key.ExpiresAt, "never"), Old: old}
	page.Plain = true
	if old != nil {
		page.OldEnds = v.moment(old.ExpiresAt, "")
	}
	if request, ok := exampleOf(v.server, &made.Key); ok {
		page.Examples = request.examples(v.Host(), made.Token)
	}
	return v.showSecret(http.StatusOK, "token", page)
}
