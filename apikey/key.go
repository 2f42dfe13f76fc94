// Package apikey defines an API key: its token, its settings, and the rules that
// settings must keep. It does not know Caddy or any storage, and it has no clock:
// callers pass the time.
//
// A token is brand_id_secret+checksum, see [Parse] and [Generate]. Only its
// [Hash] is kept; the ID is public and names the key. Tokens of other systems can
// be imported: such a key is opaque, and is found by the hash of its token.
//
// The settings of a [Key] are its scopes, [Limits], origins, addresses and
// expiry. [Key.Normalize] checks them and brings them into the form in which they
// are stored. Every refusal is a [*FieldError], which names the field and says
// what is accepted. The rules hold alike for the admin API, imports, the
// command's flags and all stores.
//
// A key lives through creation, changes, rotation and revocation. The methods in
// life.go enforce what may follow what: a revoked key never changes again, and
// only an active key is rotated, and only once. [Status] is derived from the
// stored fields and the time; it is never stored.
//
// Two forms of a key leave this package: a [Grant] has what decisions need, in a
// form that is fast to decide on, and a [Record] has what may be shown, without
// token and hash.
package apikey

import "time"

// Key is one API key as the store keeps it: everything but the secret.
//
// The zero time means "never" in every time field. Times are UTC, to the second.
type Key struct {
	ID     ID
	Prefix string // brand and ID, for people to recognise the key; fixed at creation
	Hash   Hash
	Opaque bool // the token comes from another system, and the key is found by its hash

	Workspace   string
	Name        string
	Description string
	Scopes      []string // sorted, without duplicates

	Limits         Limits
	AllowedOrigins []string // canonical, see [ParseOrigin]; empty: anywhere
	AllowedIPs     []string // canonical, see [ParseIP]; empty: anywhere

	CreatedAt time.Time
	CreatedBy string // who made it, see [CheckActor]; "" if nobody said
	ExpiresAt time.Time
	RevokedAt time.Time
	Disabled  bool

	RotatedFrom ID // the key that this one replaced
	ReplacedBy  ID // the key that replaced this one

	// Account is the key whose bucket and quota this one is charged to, so that a
	// rotation grants nothing: a successor has the account of its predecessor, for
	// good, whether or not that key still exists. The zero ID: the key itself.
	Account ID

	// Warned is the last of [Warnings], in days, that was announced for ExpiresAt; 0
	// for none. Whoever changes ExpiresAt begins anew, see [Key.KeepFixed].
	Warned uint8
}

// Limits caps the use of one key. All three are at least 1 in a stored key.
type Limits struct {
	PerMinute uint32 `json:"per_minute"` // requests refilled per minute, 1–1,000,000
	PerDay    uint32 `json:"per_day"`    // requests per UTC day, 1–1,000,000,000
	Burst     uint32 `json:"burst"`      // size of the minute bucket, 1–PerMinute
}

// Defaults for a key that was created without limits. Burst defaults to
// PerMinute.
const (
	DefaultPerMinute = 60
	DefaultPerDay    = 10_000
)

// Status says whether a key may be used. It is derived, never stored.
type Status string

// The statuses, in the order in which they are decided: revoked is final and
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
