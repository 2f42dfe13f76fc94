// Package apikey is the key itself: its token, its settings and the rules that
// settings must keep. It knows neither Caddy nor storage, and has no clock.
package apikey

import "time"

// Key is one API key as the store keeps it: everything but the secret.
//
// The zero time means "never" in every time field. Times are UTC, to the second.
type Key struct {
	ID     ID
	Prefix string // brand and ID, as shown to people; fixed at creation
	Hash   Hash
	Opaque bool // the token is of another system's form, and is found by its hash

	Workspace   string
	Name        string
	Description string
	Scopes      []string // sorted, without repeats

	Limits         Limits
	AllowedOrigins []string // canonical, see [ParseOrigin]; empty: anywhere
	AllowedIPs     []string // canonical, see [ParseIP]; empty: anywhere

	CreatedAt time.Time
	ExpiresAt time.Time
	RevokedAt time.Time
	Disabled  bool

	RotatedFrom ID // the key that this one replaces
	ReplacedBy  ID // the key that replaces this one
}

// Limits caps the use of one key. All three are at least 1 in a stored key.
type Limits struct {
	PerMinute uint32 `json:"per_minute"` // requests refilled per minute, 1–1,000,000
	PerDay    uint32 `json:"per_day"`    // requests per UTC day, 1–1,000,000,000
	Burst     uint32 `json:"burst"`      // size of the minute bucket, 1–PerMinute
}

// Defaults for a key whose admin names no limits. Burst defaults to PerMinute.
const (
	DefaultPerMinute = 60
	DefaultPerDay    = 10_000
)

// Status says whether a key may be used. It is derived, never stored.
type Status string

// The statuses in the order in which they are decided: revoked is final and
// hides the others, disabled hides expired.
const (
	Revoked  Status = "revoked"
	Disabled Status = "disabled"
	Expired  Status = "expired"
	Active   Status = "active"
)

// Statuses returns every status that there is.
func Statuses() []Status { return []Status{Active, Disabled, Expired, Revoked} }

// Status returns the key's status at the instant now. A key is expired from
// the instant ExpiresAt on.
func (k *Key) Status(now time.Time) Status {
	switch {
	case !k.RevokedAt.IsZero():
		return Revoked
	case k.Disabled:
		return Disabled
	case !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt):
		return Expired
	default:
		return Active
	}
}
