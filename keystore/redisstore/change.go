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
	end := s.underway.Begin(time.Now())
	mu.Lock()
	return func() {
		end()
		mu.Unlock()
	}
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
	entry := by.Entry(action, k.ID)
	entry.Changes = changes
	return &entry, nil
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
	c, err := s.beginWithin(boundOf(by, becomes{to: &k}), entry{op: "put", k: k, audit: audit, made: true})
	if err != nil {
		return err
	}
	if err := c.add(&k, by); err != nil {
		return c.end(err)
	}
	return c.over(c.complete(by, nil))
}

// over is what a change that is decided returns.
func (c *change) over(err error) error {
	if err != nil {
		return c.end(err)
	}
	return nil
}

// add stores the record of a key that must not exist.
func (c *change) add(k *apikey.Key, by keystore.Actor) error {
	if k.Opaque {
		if err := c.reserve(k); err != nil {
			return err
		}
	}
	added, err := c.swap(k.ID, nil, keystore.EncodeKey(k), by)
	if err == nil && !added {
		err = &keystore.ExistsError{ID: k.ID}
	}
	return err
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
			_ = s.finish(id) // the refusal is about a state that may not be listed yet
			return apikey.Key{}, err
		}
		changed := keystore.EncodeKey(&k)
		if by.Reason == "" && bytes.Equal(changed, record) {
			if err := s.Writable(); err != nil {
				return apikey.Key{}, err
			}
			return k, notRead(s.finish(id))
		}
		audit, err := newAudit(action, &old, &k, by)
		if err != nil {
			return apikey.Key{}, err
		}
		c, err := s.beginWithin(boundOf(by, becomes{&old, &k}), entry{op: "put", k: k, audit: audit})
		if err != nil {
			return apikey.Key{}, err
		}
		swapped, err := c.swap(id, record, changed, by)
		if err == nil && !swapped {
			_ = c.end(errContended)
			continue
		}
		if err == nil {
			err = c.complete(by, nil)
		}
		if err = c.over(err); err != nil {
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
		if errors.Is(err, redis.ErrForeign) {
			record, err = []byte(foreign), nil
		}
		if err != nil {
			return notRead(err)
		}
		if record == nil {
			if created, err := s.deleteRest(id, by); !created {
				return err
			}
			continue
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
		if old.Workspace == "" {
			if err := s.findPlaces(&old); err != nil {
				return notRead(err)
			}
		}
		c, err := s.beginDelete(&old, by)
		if err != nil {
			return err
		}
		swapped, err := c.swap(id, record, nil, by)
		if err == nil && !swapped {
			_ = c.end(errContended)
			continue
		}
		if err == nil {
			err = c.complete(by, nil)
		}
		return c.over(err)
	}
	return errContended
}

func (s *Store) beginDelete(old *apikey.Key, by keystore.Actor) (*change, error) {
	audit, err := newAudit("delete", old, nil, by)
	if err != nil {
		return nil, err
	}
	return s.begin(entry{op: "del", k: *old, audit: audit})
}

// deleteRest deletes a key of which there is no record. Where that is because of a
// deletion whose answer was lost, it finishes that one. It reports whether somebody
// has created the key meanwhile.
func (s *Store) deleteRest(id apikey.ID, by keystore.Actor) (created bool, err error) {
	indexed := func() (bool, error) {
		m, err := s.conn.Do(s.conn.B().Zscore().Key(s.names.ids).Member(id.String()).Build())
		return err == nil && !m.IsNil(), notRead(err)
	}
	there, err := indexed()
	if err != nil {
		return false, err
	}
	if !there {
		return false, fmt.Errorf("%s: %w", id, keystore.ErrNotFound)
	}
	if err := s.finish(id); err != nil {
		return false, notRead(err)
	}
	if there, err := indexed(); err != nil || !there {
		return false, err
	}
	old := apikey.Key{ID: id}
	if err := s.findPlaces(&old); err != nil {
		return false, notRead(err)
	}
	c, err := s.beginDelete(&old, by)
	if err != nil {
		return false, err
	}
	swapped, err := c.swap(id, nil, nil, by)
	if err == nil && !swapped {
		_ = c.end(errContended)
		return true, nil
	}
	if err == nil {
		err = c.complete(by, nil)
	}
	return false, c.over(err)
}

// dangling is how long a hash without a key is left to whoever may be about to
// create that key: longer than a change is left under way.
func (s *Store) dangling() time.Duration { return s.grace() + time.Second }
