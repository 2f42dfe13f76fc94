package keystore

import (
	"encoding/json"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// This file exports what a store on another engine needs to keep the same records
// by the same rules.

// EncodeKey returns the record of a key, in the form of a store file. It drops
// fractions of seconds.
func EncodeKey(k *apikey.Key) []byte { return encodeKey(k) }

// DecodeKey reads a record that EncodeKey made for the key with this ID. The
// result shares no memory with value. An error wraps [ErrDamaged] or [ErrNewer].
func DecodeKey(id apikey.ID, value []byte) (apikey.Key, error) { return decodeKey(id, value) }

// EncodeLimits returns the record of the limits of a workspace.
func EncodeLimits(workspace string, lim apikey.WorkspaceLimits) []byte {
	return encodeLimits([]byte(workspace), lim)
}

// DecodeLimits reads a record that EncodeLimits made for this workspace. If it
// does not verify, the error wraps [ErrDamaged] or [ErrNewer], and the limits
// returned are the strict ones that apply instead.
func DecodeLimits(workspace string, value []byte) (apikey.WorkspaceLimits, error) {
	lim, err := decodeLimits([]byte(workspace), value)
	if err != nil {
		return damagedLimits, err
	}
	return lim, nil
}

// Prepare brings a key into its stored form and returns its grant. It refuses a
// key that could not be read back and used for decisions.
func Prepare(k *apikey.Key) (apikey.Grant, error) { return prepare(k) }

// Edited returns the key that [Store.Update] stores after edit, and its grant.
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

// Changes returns the changes that an audit entry lists between two states of a
// key at an instant. Either of them may be nil.
func Changes(from, to *apikey.Key, at time.Time) (map[string]Change, error) {
	text, err := changes(from, to, at)
	if err != nil || len(text) == 0 {
		return nil, err
	}
	var fields map[string]Change
	return fields, json.Unmarshal(text, &fields)
}

// PageSize returns how many entries a page has at most if a query asks for limit;
// see [DefaultPage] and [MaxPage].
func PageSize(limit int) int { return pageSize(limit) }
