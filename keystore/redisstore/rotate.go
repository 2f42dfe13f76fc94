package redisstore

import (
	"errors"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// Rotate implements [keystore.Store]. edit may be called several times. The
// successor, whose token nobody has yet, is there first; its predecessor decides.
func (s *Store) Rotate(id apikey.ID, by keystore.Actor, edit func(old, successor *apikey.Key) error) (apikey.Key, error) {
	defer s.lock(id)()
	for range attempts {
		record, stored, err := s.stored(id)
		if err != nil {
			return apikey.Key{}, notRead(err)
		}
		r, err := keystore.Rotated(&stored, edit)
		if err != nil {
			_ = s.finish(id) // the refusal is about a state that may not be listed yet
			return apikey.Key{}, err
		}
		old, successor := &r.Old, &r.Successor
		created, err := newAudit("create", nil, successor, by)
		if err != nil {
			return apikey.Key{}, err
		}
		rotated, err := newAudit("rotate", &stored, old, by)
		if err != nil {
			return apikey.Key{}, err
		}
		c, err := s.beginWithin(boundOf(by, becomes{to: successor}, becomes{&stored, old}), entry{op: "put", k: *successor, audit: created, made: true}, entry{op: "put", k: *old, audit: rotated})
		if err != nil {
			return apikey.Key{}, err
		}
		swapped := false
		if err = c.add(successor, by); err == nil {
			swapped, err = c.swap(id, record, keystore.EncodeKey(old), by)
		}
		if err == nil && !swapped {
			if err := c.end(errContended); errors.Is(err, errContended) {
				continue
			}
			return apikey.Key{}, err
		}
		if err == nil {
			err = c.complete(by, nil)
		}
		if err = c.over(err); err != nil {
			return apikey.Key{}, err
		}
		return *successor, nil
	}
	return apikey.Key{}, errContended
}
