package console

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/english"
)

// This file has what the API refuses, in words for people: without the names that
// the API has for things.

const (
	tooMany         = "The workspace has all the keys that it may have. Revoke or delete one, then try again."
	tooManyToRotate = "The workspace has all the keys that it may have. Choose that the old key stops at once, or first revoke or delete another key."
)

// addError adds what the API refused, at the field that it is about. It returns
// other errors.
func (p problems) addError(err error) error {
	var field, text string
	if e, ok := errors.AsType[*apikey.FieldError](err); ok {
		field, text = e.Field, sentence(e.Problem, e.Accepted)
	} else if e, ok := errors.AsType[*adminapi.BoundError](err); ok {
		field, text = e.Field, boundText(e)
	}
	switch field {
	case "expires_at":
		field = "expiry"
	case "limits.per_minute", "limits.per_day", "limits.burst":
		field = strings.TrimPrefix(field, "limits.")
	}
	if !slices.Contains(formFields, field) {
		return err
	}
	p.add(field, text)
	return nil
}

// boundText says which bound is exceeded, and what to do.
func boundText(e *adminapi.BoundError) string {
	switch e.Field {
	case keysField:
		return tooMany
	case "expires_at":
		return "Keys here must end, and this end is not accepted. Choose another one."
	case "scopes":
		return sentence(e.Problem, "")
	}
	return sentence(e.Problem, e.Accepted)
}

// boundWords says which bound a key exceeds as it is, or "" if the error is another.
func boundWords(err error) string {
	e, ok := errors.AsType[*adminapi.BoundError](err)
	if !ok {
		return ""
	}
	return fieldLabel(e.Field) + ": " + boundText(e)
}

// isTooMany reports whether the workspace would have too many keys.
func isTooMany(err error) bool {
	e, ok := errors.AsType[*adminapi.BoundError](err)
	return ok && e.Field == keysField
}

// mayNotKeep says why a key may not keep its expiry under the bounds of the visitor,
// or "" if it may.
func (v *visit) mayNotKeep(k *apikey.Record) string {
	bound := v.policy.Expiry
	switch {
	case k.ExpiresAt == nil && bound.Required:
		return "Keys here must expire, and this one does not. Choose when."
	case k.ExpiresAt != nil && bound.MaxDays != nil && k.ExpiresAt.After(v.at.AddDate(0, 0, *bound.MaxDays)):
		return fmt.Sprintf("Keys here end within %s, and this one does not. Choose when.", english.Plural(*bound.MaxDays, "day"))
	}
	return ""
}

// mayEndLater reports whether the bounds of the visitor accept a later end than a key
// has.
func (v *visit) mayEndLater(k *apikey.Record) bool {
	most := v.policy.Expiry.MaxDays
	return k.ExpiresAt != nil && (most == nil || v.at.AddDate(0, 0, *most).After(*k.ExpiresAt))
}

// sentence makes a sentence of what the API says about a value.
func sentence(problem, accepted string) string {
	switch first, _, _ := strings.Cut(problem, " "); first {
	case "is", "has", "holds", "contains", "needs", "never":
		problem = "This " + problem
	}
	text := capital(problem)
	if !strings.HasSuffix(text, "?)") {
		text = strings.TrimSuffix(text, ".") + "."
	}
	if accepted != "" {
		text += " What works: " + accepted + "."
	}
	return plain.Replace(text)
}

// plain replaces what only callers of the API know.
var plain = strings.NewReplacer(
	"an empty allowed_origins to allow every origin", "nothing here, for every website",
	"an empty allowed_ips to allow every address", "nothing here, for every address",
	"every origin", "every website", "is not an origin", "is not the address of a website", "an origin such as", "a website such as",
	"allowed_origins", "websites", "allowed_ips", "addresses",
	"per_minute", "the requests a minute", "per_day", "the requests a day",
	"expires_in_days", "days", "expires_at", "the expiry",
	"an RFC 3339 time", "a time",
)
