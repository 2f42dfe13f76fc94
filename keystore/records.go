package keystore

import (
	"encoding/json"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// What a store of another engine needs to keep the same records, by the same
// rules, is exported here.

// EncodeKey returns the record of a key, as a store file has it. Fractions of
// seconds are dropped.
func EncodeKey(k *apikey.Key) []byte { return encodeKey(k) }

// DecodeKey reads a record that EncodeKey made for the key with this ID. It
// shares no memory with value. An error wraps [ErrDamaged] or [ErrNewer].
func DecodeKey(id apikey.ID, value []byte) (apikey.Key, error) { return decodeKey(id, value) }

// EncodeLimits returns the record of the limits of a workspace.
func EncodeLimits(workspace string, lim apikey.WorkspaceLimits) []byte {
	return encodeLimits([]byte(workspace), lim)
}

// DecodeLimits reads a record that EncodeLimits made for this workspace. Where
// it does not verify, the limits returned are those to hold the workspace to,
// and the error wraps [ErrDamaged] or [ErrNewer].
func DecodeLimits(workspace string, value []byte) (apikey.WorkspaceLimits, error) {
	lim, err := decodeLimits([]byte(workspace), value)
	if err != nil {
		return damagedLimits, err
	}
	return lim, nil
}

// Prepare brings a key into the form in which it is stored, and returns its
// grant. It refuses a key that could not be read back and decided on.
func Prepare(k *apikey.Key) (apikey.Grant, error) { return prepare(k) }

// Edited returns a key as [Store.Update] stores it after edit, and its grant.
func Edited(stored *apikey.Key, edit func(*apikey.Key) error) (apikey.Key, apikey.Grant, error) {
	k := stored.Clone()
	if err := edit(&k); err != nil {
		return apikey.Key{}, apikey.Grant{}, err
	}
	k.KeepFixed(stored)
	grant, err := prepare(&k)
	return k, grant, err
}

// Rotation is what [Store.Rotate] stores.
type Rotation struct {
	Old, Successor           apikey.Key
	OldGrant, SuccessorGrant apikey.Grant
}

// Rotated returns what [Store.Rotate] stores after edit.
func Rotated(stored *apikey.Key, edit func(old, successor *apikey.Key) error) (r Rotation, err error) {
	r.Old, r.Successor = stored.Clone(), stored.Heir()
	if err := edit(&r.Old, &r.Successor); err != nil {
		return r, err
	}
	r.Old.KeepFixed(stored)
	r.Old.Link(&r.Successor)
	if r.SuccessorGrant, err = prepare(&r.Successor); err != nil {
		return r, err
	}
	r.OldGrant, err = prepare(&r.Old)
	return r, err
}

// Changes returns what an audit entry says of a change from one key to the
// other at an instant, either of which may be nil.
func Changes(from, to *apikey.Key, at time.Time) (map[string]Change, error) {
	text, err := changes(from, to, at)
	if err != nil || len(text) == 0 {
		return nil, err
	}
	var fields map[string]Change
	return fields, json.Unmarshal(text, &fields)
}

// PageSize returns how many entries a page has at most whose query asks for
// so many; see [DefaultPage] and [MaxPage].
func PageSize(limit int) int { return pageSize(limit) }
