package console

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/socialpatra/keygate/apikey"
)

// errorPage says why there is no other page, and what to do.
type errorPage struct {
	shell
	Say    []string
	Reason string  // for whoever runs the site
	Again  []typed // all that was sent, if it may help to send it again
}

// typed is one field of a form.
type typed struct{ Name, Label, Value string }

// refuse answers with the page about an error.
func (v *visit) refuse(err error) {
	refused, ok := errors.AsType[*refusal](err)
	if !ok {
		refused = &refusal{status: http.StatusInternalServerError, err: err}
	}
	page := errorPage{shell: v.shell("")}
	page.Notice = ""
	page.Title, page.Say, page.Reason = explained(refused)
	if refused.status >= http.StatusInternalServerError || refused.status == http.StatusForbidden {
		page.Again = fieldsOfForm(v.typed)
	}
	v.w.Header().Set("Cache-Control", "no-store")
	if err := v.show(refused.status, "error", page); err != nil {
		http.Error(v.w, "this page cannot be shown", http.StatusInternalServerError)
	}
}

// explained says in words for people what an error means and what to do, and the
// error itself where it helps whoever runs the site.
func explained(e *refusal) (title string, say []string, reason string) {
	switch e.kind {
	case "token":
		return "There is a whole key in the address", []string{
			"The address of this page must not hold a key: addresses are kept in histories and logs.",
			"Treat that key as known to others. Look it up by its prefix, the part before the second underscore, and rotate it.",
		}, ""
	case "origin":
		return "This form came from another site", []string{
			"A page on another site tried to change keys here. Nothing was changed.",
			"If it was you, open this page yourself and try again.",
		}, ""
	}
	switch e.status {
	case http.StatusNotFound:
		return "There is nothing here", []string{"The key or page is not there, or belongs to another workspace. Look for it in the list."}, ""
	case http.StatusForbidden:
		return "You may not do this here", []string{"Ask whoever manages your workspace to do it, or to allow you to."}, e.Error()
	case http.StatusMethodNotAllowed:
		return "This does not work here", []string{"Go back and use the buttons of the page."}, ""
	case http.StatusConflict:
		return "This cannot be done with the key as it is", []string{capital(e.Error()) + "."}, ""
	case http.StatusRequestEntityTooLarge:
		return "This is too long", []string{"Go back and shorten what you typed."}, ""
	case http.StatusBadRequest, http.StatusUnsupportedMediaType:
		return "This address or form cannot be read", []string{"Go back and try again from the list of keys."}, e.Error()
	case http.StatusServiceUnavailable:
		return "The keys cannot be reached right now", []string{"Nothing was changed unless the text below says so. Try again in a minute.", "If it lasts, tell whoever runs this site."}, e.Error()
	default:
		return "Something went wrong", []string{"Try again. If it happens again, tell whoever runs this site."}, e.Error()
	}
}

// Refuse answers a visitor without authority: whose session has ended, or who was
// never signed in. If the request sends a form, what was typed is shown again, so
// that it is not lost.
func (p *Page) Refuse(w http.ResponseWriter, r *http.Request, status int, err error) {
	setHeaders(w.Header())
	if serveAsset(w, r) {
		return
	}
	page := errorPage{shell: p.shell("You are not signed in"), Say: []string{
		"Your session may have ended. Sign in again, then open this page once more.",
	}}
	page.Reason = err.Error()
	if apikey.ContainsToken(page.Reason) {
		page.Reason = ""
	}
	if r.Method == http.MethodPost && p.guard.Check(r) == nil { // another site has typed nothing that is to be kept
		if form, err := formOf(w, r); err == nil {
			page.Again, page.Kept = fieldsOfForm(form), typedIn(form)
		}
	}
	if len(page.Again) > 0 {
		page.Say = []string{"Your session may have ended. What you typed is below, and nothing is lost.", "Sign in again in another tab. Then come back here and send it again."}
	}
	if err := p.show(w, status, "error", page); err != nil {
		http.Error(w, "this page cannot be shown", http.StatusInternalServerError)
	}
}

// fieldsOfForm returns the fields of a form in the order of a page, but for what holds a
// token.
func fieldsOfForm(form url.Values) (list []typed) {
	names := slices.SortedFunc(maps.Keys(form), func(x, y string) int {
		return (slices.Index(formFields, x)+len(formFields)+1)%(len(formFields)+1) - (slices.Index(formFields, y)+len(formFields)+1)%(len(formFields)+1)
	})
	for _, name := range names {
		for _, value := range form[name] {
			if value = withoutToken(value); value != "" || !slices.Contains(formFields, name) {
				list = append(list, typed{name, typedLabel(name), value})
			}
		}
	}
	return list
}

// typedIn returns the fields of a form that a person has filled in, but for what holds a
// token.
func typedIn(form url.Values) []typed {
	return slices.DeleteFunc(fieldsOfForm(form), func(t typed) bool { return !slices.Contains(formFields, t.Name) })
}

// typedLabel is what a field of a form is called.
func typedLabel(name string) string {
	switch name {
	case "scopes":
		return "Access"
	case "expires_in_days":
		return "Days"
	case "allowed_origins":
		return "Websites"
	case "allowed_ips":
		return "Addresses"
	}
	return capital(strings.ReplaceAll(name, "_", " "))
}
