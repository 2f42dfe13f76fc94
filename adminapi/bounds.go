package adminapi

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/english"
	"github.com/socialpatra/keygate/keystore"
)

// Bounds limit the keys that a caller makes or changes. A creation, change, rotation
// or enabling is refused if the key would exceed them afterwards, even in what the
// caller did not touch. Disabling, revoking and deleting only take from a key, and
// are never held back. The zero Bounds bound nothing.
type Bounds struct {
	Scopes    []string // that keys may hold; nil: all that are known
	Expiry    ExpiryBounds
	PerMinute LimitBounds
	PerDay    LimitBounds
	Keys      int // live keys of a workspace: not revoked and not expired; 0: any number
	Origins   Presence
	IPs       Presence
}

// ExpiryBounds are in days, 1 to 3650.
type ExpiryBounds struct {
	Default  int  // of a creation that does not say; 0: keys do not expire
	Max      int  // an expiry is at most so far ahead whenever it is set; 0: any, and never
	Required bool // keys must expire
}

// LimitBounds are those of one limit.
type LimitBounds struct {
	Default int64 // of a creation that does not say; 0: that of every key
	Max     int64 // 0: what every key may have
}

// Presence says whether keys have a list.
type Presence string

// The values of Presence. "" is Optional.
const (
	Optional  Presence = "optional"
	Required  Presence = "required"
	Forbidden Presence = "forbidden"
)

// BoundError refuses a key that exceeds a bound. Its text has the form of a
// [apikey.FieldError].
type BoundError struct {
	Field    string // as in the JSON record, or "keys"
	Problem  string
	Accepted string
}

func (e *BoundError) Error() string { return e.Field + ": " + e.Problem + "; accepted: " + e.Accepted }

// Normalize fills in the defaults of what is not set, and lowers defaults that
// exceed their maximum: a plan may allow less than what keys get by default. The
// error is a [*apikey.FieldError] and names what is out of range.
func (b *Bounds) Normalize() error {
	for _, days := range []struct {
		name string
		n    int
	}{{"expiry default", b.Expiry.Default}, {"expiry max", b.Expiry.Max}} {
		if days.n < 0 || days.n > apikey.MaxExpiryDays {
			return &apikey.FieldError{Field: days.name, Problem: fmt.Sprintf("%d days is out of range", days.n), Accepted: fmt.Sprintf("1d to %dd", apikey.MaxExpiryDays)}
		}
	}
	if b.Expiry.Max > 0 && b.Expiry.Default > 0 {
		b.Expiry.Default = min(b.Expiry.Default, b.Expiry.Max)
	}
	if err := b.PerMinute.normalize("per_minute", apikey.DefaultPerMinute, apikey.MaxPerMinute); err != nil {
		return err
	}
	if err := b.PerDay.normalize("per_day", apikey.DefaultPerDay, apikey.MaxPerDay); err != nil {
		return err
	}
	if b.Keys < 0 {
		return &apikey.FieldError{Field: "keys max", Problem: fmt.Sprintf("%d is out of range", b.Keys), Accepted: "1 or more"}
	}
	for _, p := range []*Presence{&b.Origins, &b.IPs} {
		if *p == "" {
			*p = Optional
		}
	}
	return nil
}

func (b *LimitBounds) normalize(name string, usual, most int64) error {
	for what, n := range map[string]int64{" default": b.Default, " max": b.Max} {
		if n < 0 || n > most {
			return &apikey.FieldError{Field: name + what, Problem: fmt.Sprintf("%d is out of range", n), Accepted: fmt.Sprintf("1 to %d", most)}
		}
	}
	if b.Default == 0 {
		b.Default = usual
	}
	if b.Max == 0 {
		b.Max = most
	}
	b.Default = min(b.Default, b.Max)
	return nil
}

// complete gives the request for a new key the defaults of what it does not say.
func (b *Bounds) complete(req *KeyRequest) {
	if req.ExpiresInDays == nil && req.ExpiresAt == nil && b.Expiry.Default > 0 {
		days := int64(b.Expiry.Default)
		req.ExpiresInDays = &days
	}
	var limits LimitsRequest
	if req.Limits != nil {
		limits = *req.Limits
	}
	if limits.PerMinute == nil {
		limits.PerMinute = &b.PerMinute.Default
	}
	if limits.PerDay == nil {
		limits.PerDay = &b.PerDay.Default
	}
	req.Limits = &limits
}

// check refuses a key that exceeds the bounds at the instant now. known are the
// scopes that the config has besides the catalogue's.
func (b *Bounds) check(k *apikey.Key, now time.Time, known []string) error {
	if err := b.checkScopes(k.Scopes, known); err != nil {
		return err
	}
	if err := b.Expiry.check(k.ExpiresAt, now); err != nil {
		return err
	}
	if err := b.PerMinute.check("per_minute", k.Limits.PerMinute); err != nil {
		return err
	}
	if err := b.PerDay.check("per_day", k.Limits.PerDay); err != nil {
		return err
	}
	if err := b.Origins.check("allowed_origins", len(k.AllowedOrigins), "an origin such as https://shop.example"); err != nil {
		return err
	}
	return b.IPs.check("allowed_ips", len(k.AllowedIPs), "an address or network such as 203.0.113.0/24")
}

// accepted returns the scopes that keys may hold, sorted. known are those of the
// config.
func (b *Bounds) accepted(known []string) []string {
	scopes := slices.Clone(b.Scopes)
	if scopes == nil {
		scopes = slices.Clone(known)
		for _, info := range apikey.Catalogue() {
			scopes = append(scopes, info.Scope)
		}
	}
	slices.Sort(scopes)
	return slices.Compact(scopes)
}

func (b *Bounds) checkScopes(scopes, known []string) error {
	accepted := b.accepted(known)
	for _, scope := range scopes {
		if !slices.Contains(accepted, scope) {
			return &BoundError{"scopes", apikey.Quote(scope) + " may not be held by keys that are made or changed here", strings.Join(accepted, ", ")}
		}
	}
	return nil
}

func (b *ExpiryBounds) check(at, now time.Time) error {
	accepted := "a time in the future, such as expires_in_days 90"
	if b.Max > 0 {
		accepted = fmt.Sprintf("at most %s from now: expires_in_days 1 to %d", english.Plural(b.Max, "day"), b.Max)
	}
	switch {
	case at.IsZero() && (b.Required || b.Max > 0):
		return &BoundError{"expires_at", "keys here must expire", accepted}
	case !at.IsZero() && b.Max > 0 && at.After(now.Add(time.Duration(b.Max)*24*time.Hour)):
		return &BoundError{"expires_at", at.Format(time.RFC3339) + " is too far ahead", accepted}
	}
	return nil
}

func (b *LimitBounds) check(field string, n uint32) error {
	if int64(n) > b.Max {
		return &BoundError{field, fmt.Sprintf("%d is more than keys here may have", n), fmt.Sprintf("1 to %d", b.Max)}
	}
	return nil
}

func (p Presence) check(field string, n int, such string) error {
	switch {
	case p == Required && n == 0:
		return &BoundError{field, "keys here must have some", such}
	case p == Forbidden && n > 0:
		return &BoundError{field, "keys here have none", "an empty list"}
	}
	return nil
}

// within refuses a key that the caller may not leave like this.
func (c *call) within(k *apikey.Key) error {
	if c.authority == nil {
		return nil
	}
	return c.authority.Bounds.check(k, c.now(), routeScopes(c.mappings))
}

// counted turns the store's refusal of one key too many into that of a bound.
func counted(err error) error {
	many, ok := errors.AsType[*keystore.TooManyError](err)
	if !ok {
		return err
	}
	return &BoundError{
		"keys", fmt.Sprintf("the workspace has %s that are not revoked and not expired, and may have %d", english.Plural(many.Live, "key"), many.Max),
		"a key more after another is revoked, deleted or expired; or a rotation with overlap 0s",
	}
}
