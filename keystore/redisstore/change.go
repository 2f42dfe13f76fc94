package redisstore

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/keystore"
)

// attempts is how often a change is made anew because others were faster. Each
// time at least one of them has got through.
const attempts = 1000

var errContended = fmt.Errorf("%w: others change the same key all the time; send the change again", keystore.ErrNotWritten)

// changeError says what has become of a change that failed.
func changeError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, redis.ErrUncertain):
		return fmt.Errorf("%w: %w", keystore.ErrUnknownOutcome, err)
	default:
		return fmt.Errorf("%w: %w", keystore.ErrNotWritten, err)
	}
}

// notRead is changeError for what a change has to know first: whatever became of
// that, nothing was changed.
func notRead(err error) error {
	if errors.Is(err, redis.ErrUnavailable) {
		return fmt.Errorf("%w: %w", keystore.ErrNotWritten, err)
	}
	return err
}

// lock keeps other writers of this process from a key.
func (s *Store) lock(id apikey.ID) (unlock func()) {
	mu := &s.writing[(uint(id[0])*31+uint(id[len(id)-1]))%uint(len(s.writing))]
	mu.Lock()
	return mu.Unlock
}

// raw returns the record of a key, nil for none.
func (s *Store) raw(id apikey.ID) ([]byte, error) {
	if err := s.open(); err != nil {
		return nil, err
	}
	m, err := s.conn.Do(s.conn.B().Get().Key(s.names.recordOf(id)).Build())
	if err != nil || m.IsNil() {
		return nil, err
	}
	return m.AsBytes()
}

// stored is raw that decodes.
func (s *Store) stored(id apikey.ID) (record []byte, k apikey.Key, err error) {
	record, err = s.raw(id)
	if err != nil {
		return nil, k, err
	}
	if record == nil {
		return nil, k, fmt.Errorf("%s: %w", id, keystore.ErrNotFound)
	}
	k, err = keystore.DecodeKey(id, record)
	return record, k, err
}

// Get implements [keystore.Store].
func (s *Store) Get(id apikey.ID) (apikey.Key, error) {
	_, k, err := s.stored(id)
	return k, err
}

// swap replaces a record, of which nil is none, and reports whether it was as
// given. When it returns, no look-up of this process sees what was before.
func (s *Store) swap(id apikey.ID, old, record []byte, by keystore.Actor) (bool, error) {
	m, have, err := s.conn.RunReplicated(swapScript,
		[]string{s.names.recordOf(id), s.names.useOf(id)}, []string{string(old), string(record)}, s.replicas)
	s.keys.forget(id)
	if err != nil {
		return false, changeError(err)
	}
	swapped, err := m.AsBool()
	if swapped {
		s.replicated(by, have)
	}
	return swapped, err
}

// replicated tells the caller of a change how many replicas have all of it.
func (s *Store) replicated(by keystore.Actor, have int) {
	r := by.Replication
	if r == nil || s.replicas == 0 {
		return
	}
	if r.Wanted == 0 {
		*r = keystore.Replication{Wanted: s.replicas, Have: have}
	}
	r.Have = min(r.Have, have)
}

// newAudit returns what the audit trail says of a change from one key to the
// other, either of which may be nil.
func newAudit(action string, from, to *apikey.Key, by keystore.Actor) (*keystore.AuditEntry, error) {
	changes, err := keystore.Changes(from, to, by.At)
	if err != nil {
		return nil, err
	}
	k := from
	if k == nil {
		k = to
	}
	return &keystore.AuditEntry{At: by.At.UTC(), Via: by.Via, Action: action, Key: k.ID, Changes: changes}, nil
}

// Create implements [keystore.Store].
func (s *Store) Create(k apikey.Key, by keystore.Actor) error {
	if err := s.open(); err != nil {
		return err
	}
	if _, err := keystore.Prepare(&k); err != nil {
		return err
	}
	audit, err := newAudit("create", nil, &k, by)
	if err != nil {
		return err
	}
	defer s.lock(k.ID)()
	record, err := s.add(&k, by)
	if err != nil {
		return err
	}
	if err := s.enter(by, entry{"put", k, audit}); err != nil {
		return err
	}
	return s.settle(k.ID, record)
}

// add stores the record of a key that must not exist.
func (s *Store) add(k *apikey.Key, by keystore.Actor) (record []byte, err error) {
	reserved := false
	if k.Opaque {
		if reserved, err = s.reserve(k); err != nil {
			return nil, err
		}
	}
	record = keystore.EncodeKey(k)
	added, err := s.swap(k.ID, nil, record, by)
	if err == nil && !added {
		err = &keystore.ExistsError{ID: k.ID}
	}
	if err != nil && reserved && !errors.Is(err, keystore.ErrUnknownOutcome) {
		s.release(k)
	}
	return record, err
}

// Update implements [keystore.Store]. edit may be called several times.
func (s *Store) Update(id apikey.ID, action string, by keystore.Actor, edit func(*apikey.Key) error) (apikey.Key, error) {
	defer s.lock(id)()
	for range attempts {
		record, old, err := s.stored(id)
		if err != nil {
			return apikey.Key{}, notRead(err)
		}
		k, _, err := keystore.Edited(&old, edit)
		if err != nil {
			return apikey.Key{}, err
		}
		changed := keystore.EncodeKey(&k)
		if bytes.Equal(changed, record) {
			return k, s.Writable()
		}
		audit, err := newAudit(action, &old, &k, by)
		if err != nil {
			return apikey.Key{}, err
		}
		swapped, err := s.swap(id, record, changed, by)
		if err == nil && !swapped {
			continue
		}
		if err == nil {
			err = s.enter(by, entry{"put", k, audit})
		}
		if err == nil {
			err = s.settle(id, changed)
		}
		if err != nil {
			return apikey.Key{}, err
		}
		return k, nil
	}
	return apikey.Key{}, errContended
}

// Delete implements [keystore.Store]. check may be called several times.
func (s *Store) Delete(id apikey.ID, by keystore.Actor, check func(*apikey.Key) error) error {
	defer s.lock(id)()
	for range attempts {
		record, err := s.raw(id)
		if err != nil {
			return notRead(err)
		}
		if record == nil {
			return s.deleteRest(id, by)
		}
		old, err := keystore.DecodeKey(id, record)
		if err == nil && check != nil {
			checked, _ := keystore.DecodeKey(id, record)
			err = check(&checked)
		}
		if err != nil && check != nil {
			return err
		}
		if err != nil {
			old = apikey.Key{ID: id} // all that is known of it
		}
		if swapped, err := s.swap(id, record, nil, by); err != nil {
			return err
		} else if swapped {
			return s.deleted(&old, by)
		}
	}
	return errContended
}

// deleted brings the administration up to date after a record is gone.
func (s *Store) deleted(old *apikey.Key, by keystore.Actor) error {
	audit, err := newAudit("delete", old, nil, by)
	if err != nil {
		return err
	}
	if old.Workspace == "" {
		if err := s.findPlaces(old); err != nil {
			return changeError(err)
		}
	}
	if err := s.enter(by, entry{"del", *old, audit}); err != nil {
		return err
	}
	return s.settle(old.ID, nil)
}

// deleteRest completes a deletion that ended after the record was gone.
func (s *Store) deleteRest(id apikey.ID, by keystore.Actor) error {
	m, err := s.conn.Do(s.conn.B().Zscore().Key(s.names.ids).Member(id.String()).Build())
	switch {
	case err != nil:
		return notRead(err)
	case m.IsNil():
		return fmt.Errorf("%s: %w", id, keystore.ErrNotFound)
	}
	return s.deleted(&apikey.Key{ID: id}, by)
}

// dangling is how long a hash without a key is left to whoever may be about to
// create that key.
func (s *Store) dangling() time.Duration { return 3 * s.conn.Config().Timeout }
