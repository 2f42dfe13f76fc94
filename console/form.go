package console

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
)

// form is the settings of a key as they were typed.
type form struct {
	Workspace, Name, Description string
	Scopes                       []string
	Expiry                       string // days, custom, never, or keep in a change
	Days                         string // for custom
	PerMinute, PerDay, Burst     string
	Origins, IPs                 string // one a line
	Nonce, ETag                  string
}

// formFrom reads a form. It leaves out what holds a token: a page never shows one
// that was typed.
func formFrom(typed url.Values) form {
	get := func(name string) string { return withoutToken(typed.Get(name)) }
	f := form{
		Workspace: get("workspace"), Name: get("name"), Description: get("description"),
		Expiry: get("expiry"), Days: get("expires_in_days"),
		PerMinute: get("per_minute"), PerDay: get("per_day"), Burst: get("burst"),
		Origins: get("allowed_origins"), IPs: get("allowed_ips"),
		Nonce: get("nonce"), ETag: get("etag"),
	}
	for _, scope := range typed["scopes"] {
		f.Scopes = append(f.Scopes, withoutToken(scope))
	}
	return f
}

// withoutToken returns what was typed, or "" if it holds a token.
func withoutToken(s string) string {
	if apikey.ContainsToken(s) {
		return ""
	}
	return s
}

// tokensIn returns a problem for each field in which a token was typed.
func tokensIn(typed url.Values) problems {
	found := make(problems)
	for name, values := range typed {
		if slices.ContainsFunc(values, apikey.ContainsToken) {
			found.add(name, "This had a whole key in it, which is secret. It is removed here. If others could see it, rotate that key.")
		}
	}
	return found
}

// problems are what is to be corrected, by field. Of several things about a field
// the first counts.
type problems map[string]string

// problem is what is to be corrected in one field.
type problem struct{ Field, Text string }

// Anchor is the element that a link to the problem leads to, or "" if the problem
// is of no field.
func (p problem) Anchor() string {
	if p.Field == keysField {
		return ""
	}
	return "f-" + p.Field
}

// keysField is the field of errors about how many keys there are.
const keysField = "keys"

func (p problems) add(field, text string) {
	if p[field] == "" {
		p[field] = text
	}
}

// On returns what is to be corrected in a field, or "".
func (p problems) On(field string) string { return p[field] }

// At returns the problem of a field. Its text is empty if there is none.
func (p problems) At(field string) problem { return problem{field, p[field]} }

// Any reports whether something is to be corrected in one of some fields.
func (p problems) Any(fields ...string) bool {
	return slices.ContainsFunc(fields, func(field string) bool { return p[field] != "" })
}

// List returns all problems in the order in which the fields are on the page.
func (p problems) List() []problem {
	var list []problem
	for field, text := range p {
		list = append(list, problem{field, text})
	}
	slices.SortFunc(list, func(x, y problem) int {
		return slices.Index(formFields, x.Field) - slices.Index(formFields, y.Field)
	})
	return list
}

// formFields are the fields of all forms, in the order in which they are on a page.
var formFields = []string{
	"workspace", "name", "description", "scopes", "expiry", "expires_in_days", "per_minute", "per_day", "burst", "allowed_ips", "allowed_origins",
	"overlap", "confirm", "method", "path", "ip", "origin", keysField,
}

// check reads the settings that were typed, and adds all that is to be corrected by the rules of keys and the bounds of the visitor. The API decides by the same
// rules, and finds one thing at a time.
func (f *form) check(policy *adminapi.PolicyResponse, found problems) adminapi.KeyRequest {
	req := adminapi.KeyRequest{Name: &f.Name, Description: &f.Description, Scopes: &f.Scopes}
	if policy.Workspace == adminapi.AllWorkspaces {
		req.Workspace = &f.Workspace
		try(found, func(k *apikey.Key) { k.Workspace = f.Workspace })
	}
	if f.Name == "" {
		found.add("name", "Write a name. It is how you will know the key later.")
	}
	try(found, func(k *apikey.Key) { k.Name = f.Name })
	try(found, func(k *apikey.Key) { k.Description = f.Description })
	f.checkScopes(policy, found)
	f.checkExpiry(&req, policy, found)
	req.Limits = f.checkLimits(policy, found)
	origins, ips := lines(f.Origins), lines(f.IPs)
	req.AllowedOrigins, req.AllowedIPs = &origins, &ips
	checkList(found, "allowed_origins", origins, policy.Origins, "Write at least one website, such as https://shop.example.", func(k *apikey.Key, list []string) { k.AllowedOrigins = list })
	checkList(found, "allowed_ips", ips, policy.IPs, "Write at least one address, such as 203.0.113.7.", func(k *apikey.Key, list []string) { k.AllowedIPs = list })
	return req
}

// try finds what is wrong with one setting, in a key that is right otherwise.
func try(found problems, set func(*apikey.Key)) {
	k := apikey.Key{Workspace: "w", Name: "n", Scopes: []string{"a:b"}}
	set(&k)
	_ = found.addError(k.Normalize()) // all its errors are about fields
}

func (f *form) checkScopes(policy *adminapi.PolicyResponse, found problems) {
	if len(f.Scopes) == 0 {
		found.add("scopes", "Tick at least one thing that the key may do.")
		return
	}
	for _, scope := range f.Scopes {
		if !slices.Contains(policy.Scopes, scope) {
			found.add("scopes", fmt.Sprintf("Keys here may not have %s. Untick it.", apikey.Quote(scope)))
		}
	}
	try(found, func(k *apikey.Key) { k.Scopes = f.Scopes })
}

// The choices of expiry that are no number of days.
const (
	expiryCustom = "custom"
	expiryNever  = "never"
	expiryKeep   = "keep" // as the key has it, in a change
)

func (f *form) checkExpiry(req *adminapi.KeyRequest, policy *adminapi.PolicyResponse, found problems) {
	field, text := "expiry", f.Expiry
	switch f.Expiry {
	case expiryKeep:
		return
	case expiryNever:
		req.ExpiresAt = json.RawMessage("null")
		if policy.Expiry.Required {
			found.add("expiry", "Keys here must expire. Choose when.")
		}
		return
	case expiryCustom:
		field, text = "expires_in_days", f.Days
	}
	most := apikey.MaxExpiryDays
	if policy.Expiry.MaxDays != nil {
		most = *policy.Expiry.MaxDays
	}
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case f.Expiry == "":
		found.add("expiry", "Choose how long the key works.")
	case err != nil || n < 1 || n > int64(most):
		found.add(field, fmt.Sprintf("Write a whole number of days, from 1 to %s.", number(most)))
	default:
		req.ExpiresInDays = &n
	}
}

// checkLimits reads the limits. An empty one gets its default.
func (f *form) checkLimits(policy *adminapi.PolicyResponse, found problems) *adminapi.LimitsRequest {
	var req adminapi.LimitsRequest
	read := func(field, text string, most int64) *int64 {
		if text == "" {
			return nil
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 1 || n > most {
			found.add(field, fmt.Sprintf("Write a whole number from 1 to %s.", number(most)))
			return nil
		}
		return &n
	}
	req.PerMinute = read("per_minute", f.PerMinute, policy.PerMinute.Max)
	req.PerDay = read("per_day", f.PerDay, policy.PerDay.Max)
	most := policy.PerMinute.Default
	if req.PerMinute != nil {
		most = *req.PerMinute
	}
	if !found.Any("per_minute") {
		req.Burst = read("burst", f.Burst, most)
	}
	return &req
}

// checkList finds what is wrong with each line of a list.
func checkList(found problems, field string, list []string, presence adminapi.Presence, missing string, set func(*apikey.Key, []string)) {
	switch {
	case presence == adminapi.Required && len(list) == 0:
		found.add(field, missing)
	case presence == adminapi.Forbidden && len(list) > 0:
		found.add(field, "Keys here have none of these. Leave this empty.")
	}
	var wrong []string
	var works string // said once, whatever is wrong with the lines
	for _, line := range list {
		one := make(problems)
		if try(one, func(k *apikey.Key) { set(k, []string{line}) }); len(one) > 0 {
			text, what, _ := strings.Cut(one[field], " What works: ")
			wrong, works = append(wrong, strings.Replace(text, "?)", "?).", 1)), cmp.Or(what, works)
		}
	}
	if len(wrong) > 0 {
		if wrong = wrong[:min(len(wrong), 3)]; works != "" {
			wrong = append(wrong, "What works: "+works)
		}
		found.add(field, strings.Join(wrong, "\n"))
	}
	try(found, func(k *apikey.Key) { set(k, list) })
}
