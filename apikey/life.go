package apikey

import (
	"slices"
	"time"
)

// This file has the life of a key: it is created, changed, disabled and enabled,
// rotated, and revoked. The methods decide which of these may follow which. The
// admin API, imports and all stores use them.

// StateError says that the state of a key does not allow a change.
type StateError struct{ Reason string }

func (e *StateError) Error() string { return e.Reason }

// The default and the longest overlap of a rotation, during which both keys work.
// The maximum keeps a rotation from being forgotten.
const (
	DefaultOverlap = 24 * time.Hour
	MaxOverlap     = 365 * 24 * time.Hour
)

// ParseOverlap reads a duration from 0s to 8760h, such as 24h or 30m. The error
// is a [*FieldError].
func ParseOverlap(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > MaxOverlap {
		return 0, &FieldError{Field: "overlap", Problem: Quote(s) + " is not a duration that is accepted", Accepted: "0s to 8760h, such as 24h or 30m"}
	}
	return d, nil
}

// SetToken gives a key the identity of a token in Keygate's own form.
func (k *Key) SetToken(brand string, id ID, hash Hash) {
	k.ID, k.Hash, k.Prefix, k.Opaque = id, hash, Prefix(brand, id), false
}

// CheckWorkspace refuses a workspace other than the one that the key is in. The
// error is a [*FieldError].
func (k *Key) CheckWorkspace(workspace string) error {
	if workspace != k.Workspace {
		return &FieldError{Field: "workspace", Problem: "never changes", Accepted: "a new key in the other workspace"}
	}
	return nil
}

// CheckChangeable refuses any change of a revoked key. The error is a
// [*StateError].
func (k *Key) CheckChangeable() error {
	if !k.RevokedAt.IsZero() {
		return &StateError{"the key is revoked, which is final; make a new one"}
	}
	return nil
}

// Revoke ends a key for good. Revoking it again changes nothing.
func (k *Key) Revoke(now time.Time) {
	if k.RevokedAt.IsZero() {
		k.RevokedAt = storedTime(now)
	}
}

// Rotate makes next the successor of k. k then expires after the overlap, unless
// it expires before. next must have an identity and the settings of k, see
// [Key.Heir]. Only an active key can be rotated, and only once: the error is a
// [*StateError].
func (k *Key) Rotate(next *Key, now time.Time, overlap time.Duration) error {
	if status := k.Status(now); status != Active {
		return &StateError{"the key is " + string(status) + "; only an active key can be rotated"}
	}
	if !k.ReplacedBy.IsZero() {
		return &StateError{"the key was rotated already; rotate its successor, " + k.ReplacedBy.String()}
	}
	next.CreatedAt = storedTime(now)
	if ends := storedTime(now.Add(overlap)); k.ExpiresAt.IsZero() || ends.Before(k.ExpiresAt) {
		k.ExpiresAt = ends
	}
	k.Link(next)
	return nil
}

// Link records that next replaces k, and puts it in the workspace and on the
// account of k.
func (k *Key) Link(next *Key) {
	k.ReplacedBy, next.RotatedFrom, next.Workspace = next.ID, k.ID, k.Workspace
	if next.Account = k.Account; next.Account.IsZero() {
		next.Account = k.ID
	}
}

// Clone returns a key that shares no memory with k.
func (k *Key) Clone() Key {
	c := *k
	c.Scopes = slices.Clone(k.Scopes)
	c.AllowedOrigins = slices.Clone(k.AllowedOrigins)
	c.AllowedIPs = slices.Clone(k.AllowedIPs)
	return c
}

// Heir returns a copy of the settings of k for another key. It leaves out the
// identity of k and what happened to it. It shares no memory with k.
func (k *Key) Heir() Key {
	h := k.Clone()
	h.ID, h.Prefix, h.Hash, h.Opaque = ID{}, "", Hash{}, false
	h.CreatedAt, h.CreatedBy, h.RevokedAt, h.Disabled = time.Time{}, "", time.Time{}, false
	h.RotatedFrom, h.ReplacedBy, h.Account, h.Warned = ID{}, ID{}, ID{}, 0
	return h
}

// KeepFixed restores from old what no change may touch: identity, workspace, account,
// and when and by whom it was made. If the expiry changes, it resets Warned: the new
// expiry has not been announced.
func (k *Key) KeepFixed(old *Key) {
	k.ID, k.Prefix, k.Hash, k.Opaque = old.ID, old.Prefix, old.Hash, old.Opaque
	k.Workspace, k.Account, k.CreatedAt, k.CreatedBy = old.Workspace, old.Account, old.CreatedAt, old.CreatedBy
	if !storedTime(k.ExpiresAt).Equal(storedTime(old.ExpiresAt)) {
		k.Warned = 0
	}
}
