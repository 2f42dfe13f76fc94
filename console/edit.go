package console

import (
	"errors"
	"maps"
	"net/http"
	"strconv"
	"strings"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/english"
	"github.com/socialpatra/keygate/review"
)

// editPage is the form that changes a key.
type editPage struct {
	shell
	settings
	Key      apikey.Record
	Revoked  bool
	NoPowers bool
	Clash    []clash // somebody else has changed the key meanwhile
	Same     bool    // and what they saved is what was typed
	Proposed string  // what the review suggests, and the form has; "": nothing
}

// clash is a setting of which two versions are there.
type clash struct{ Label, Theirs, Yours string }

func (v *visit) editKey() error {
	k, etag, err := v.key()
	if err != nil {
		return err
	}
	f := formOfKey(&k)
	f.ETag = etag
	if v.mayNotKeep(&k) != "" {
		f.Expiry = v.usualExpiry()
	}
	code := review.Code(v.r.URL.Query().Get("fix"))
	proposed, err := v.propose(&f, k.ID, code)
	if err != nil {
		return err
	}
	page, err := v.editPage(&k, &f, nil, nil)
	if err != nil {
		return err
	}
	page.Proposed = proposed
	page.LimitsOpen = page.LimitsOpen || proposed != "" && code == review.HighLimits
	status := http.StatusOK
	if page.NoPowers {
		status = http.StatusForbidden
	}
	return v.show(status, "edit", page)
}

// formOfKey returns the form that a key would have been typed as.
func formOfKey(k *apikey.Record) form {
	f := form{
		Name: k.Name, Description: k.Description, Scopes: k.Scopes, Expiry: expiryKeep,
		PerMinute: strconv.FormatUint(uint64(k.Limits.PerMinute), 10), PerDay: strconv.FormatUint(uint64(k.Limits.PerDay), 10),
		Origins: strings.Join(k.AllowedOrigins, "\n"), IPs: strings.Join(k.AllowedIPs, "\n"),
	}
	if k.Limits.Burst != k.Limits.PerMinute {
		f.Burst = strconv.FormatUint(uint64(k.Limits.Burst), 10)
	}
	return f
}

func (v *visit) showEdit(status int, k *apikey.Record, f *form, found problems, clashes []clash) error {
	page, err := v.editPage(k, f, found, clashes)
	if err != nil {
		return err
	}
	page.Same = status == http.StatusPreconditionFailed && len(clashes) == 0
	if page.NoPowers {
		status = http.StatusForbidden
	}
	return v.show(status, "edit", page)
}

func (v *visit) editPage(k *apikey.Record, f *form, found problems, clashes []clash) (page editPage, err error) {
	page = editPage{shell: v.shell("Change " + k.Name), Key: *k, Revoked: k.Status == apikey.Revoked, NoPowers: !v.may(adminapi.VerbUpdate), Clash: clashes}
	page.settings, err = v.settings(f, found, k)
	return page, err
}

func (v *visit) saveKey() error {
	k, etag, err := v.key()
	if err != nil {
		return err
	}
	f := formFrom(v.typed)
	found := make(problems)
	req := f.check(&v.policy, found)
	maps.DeleteFunc(found, func(field, _ string) bool { // what stays as it is was accepted once
		return field == "name" && f.Name == k.Name || field == "description" && f.Description == k.Description
	})
	maps.Copy(found, tokensIn(v.typed))
	if why := v.mayNotKeep(&k); why != "" && f.Expiry == expiryKeep {
		found.add("expiry", why)
	}
	switch {
	case f.ETag != etag:
		return v.clash(&f)
	case len(found) > 0:
		return v.showEdit(http.StatusUnprocessableEntity, &k, &f, found, nil)
	}
	onlyChanges(&req, &f, &k)
	answer := v.do(http.MethodPatch, v.keyPath(""), req, "If-Match", f.ETag)
	if answer.Status == http.StatusPreconditionFailed {
		return v.clash(&f)
	}
	if answer.Err != nil {
		if other := found.addError(answer.Err); other != nil {
			return &refusal{status: answer.Status, err: other}
		}
		return v.showEdit(http.StatusUnprocessableEntity, &k, &f, found, nil)
	}
	return v.seeOther("/keys/"+k.ID.String(), "saved")
}

// onlyChanges leaves out of a request the texts that the key has already: the rules
// may have become narrower meanwhile.
func onlyChanges(req *adminapi.KeyRequest, f *form, k *apikey.Record) {
	if f.Name == k.Name {
		req.Name = nil
	}
	if f.Description == k.Description {
		req.Description = nil
	}
	if req.Limits.Burst == nil && k.Limits.Burst != k.Limits.PerMinute { // emptied: as per_minute again
		req.Limits.Burst = req.Limits.PerMinute
	}
}

// clash shows what somebody else has saved beside what was typed. The form keeps
// what was typed; sending it again is about the newer version.
func (v *visit) clash(f *form) error {
	k, etag, err := v.key()
	if err != nil {
		return err
	}
	theirs := formOfKey(&k)
	var list []clash
	add := func(label, theirs, yours string) {
		if theirs != yours {
			list = append(list, clash{label, orNone(theirs), orNone(yours)})
		}
	}
	add("Name", theirs.Name, f.Name)
	add("Description", theirs.Description, f.Description)
	add("Access", strings.Join(sortedCopy(theirs.Scopes), ", "), strings.Join(sortedCopy(f.Scopes), ", "))
	if f.Expiry != expiryKeep {
		now := "never"
		if k.ExpiresAt != nil {
			now = fullTime(*k.ExpiresAt)
		}
		list = append(list, clash{"Expiry", now, f.expiryWords()})
	}
	add("Requests a minute", theirs.PerMinute, f.PerMinute)
	add("Requests a day", theirs.PerDay, f.PerDay)
	add("Requests at once", theirs.Burst, f.Burst)
	add("Websites", strings.Join(lines(theirs.Origins), ", "), strings.Join(lines(f.Origins), ", "))
	add("Addresses", strings.Join(lines(theirs.IPs), ", "), strings.Join(lines(f.IPs), ", "))
	f.ETag = etag
	return v.showEdit(http.StatusPreconditionFailed, &k, f, nil, list)
}

func (f *form) expiryWords() string {
	days := f.Expiry
	switch f.Expiry {
	case expiryNever:
		return "never"
	case expiryCustom:
		days = f.Days
	}
	n, err := strconv.Atoi(days)
	if err != nil {
		return orNone(days)
	}
	return "in " + english.Plural(n, "day")
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// isClash reports whether the API refused a change because somebody was faster.
func isClash(err error) bool {
	refused, ok := errors.AsType[*refusal](err)
	return ok && refused.status == http.StatusPreconditionFailed
}
