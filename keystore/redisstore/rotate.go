package redisstore

import (
	"errors"
	"fmt"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// Rotate implements [keystore.Store]. edit may be called several times. The
// successor, whose token nobody has yet, is there first, and is removed again
// where its predecessor cannot be changed.
func (s *Store) Rotate(id apikey.ID, by keystore.Actor, edit func(old, successor *apikey.Key) error) (apikey.Key, error) {
	defer s.lock(id)()
	for range attempts {
		record, stored, err := s.stored(id)
		if err != nil {
			return apikey.Key{}, notRead(err)
		}
		r, err := keystore.Rotated(&stored, edit)
		if err != nil {
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
		added, err := s.add(successor, by)
		if err != nil {
			return apikey.Key{}, err
		}
		changed := keystore.EncodeKey(old)
		swapped, err := s.swap(id, record, changed, by)
		if !swapped && !errors.Is(err, keystore.ErrUnknownOutcome) {
			err = errors.Join(err, s.undo(successor, added))
		}
		if err == nil && !swapped {
			continue
		}
		if err == nil {
			err = s.enter(by, entry{"put", *successor, created}, entry{"put", *old, rotated})
		}
		if err == nil {
			err = errors.Join(s.settle(successor.ID, added), s.settle(id, changed))
		}
		if err != nil {
			return apikey.Key{}, err
		}
		return *successor, nil
	}
	return apikey.Key{}, errContended
}

// undo removes a key that a change has created before it failed.
func (s *Store) undo(k *apikey.Key, record []byte) error {
	if _, err := s.swap(k.ID, record, nil, keystore.Actor{}); err != nil {
		return fmt.Errorf("%w: the new key %s is left over: %w", keystore.ErrUnknownOutcome, k.ID, err)
	}
	if k.Opaque {
		s.release(k)
	}
	return nil
}
