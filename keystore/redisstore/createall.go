package redisstore

import (
	"bytes"
	"errors"
	"slices"

	"github.com/redis/rueidis"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// pageLen is how many keys one trip to the engine is about, unless the caller
// of a method says so.
const pageLen = 500

// CreateAll implements [keystore.Store]. All records are there before the first
// is entered into the index, so that what is undone leaves no trace. A million
// keys take a minute or two, during which all else goes on.
func (s *Store) CreateAll(keys []apikey.Key, by keystore.Actor, progress func(done int)) error {
	if err := s.open(); err != nil || len(keys) == 0 {
		return err
	}
	batch, err := newBatch(keys)
	if err != nil {
		return err
	}
	for page := range slices.Chunk(batch, pageLen) {
		if err := s.refuseExisting(page); err != nil {
			return err
		}
	}
	done, err := s.addAll(batch, by)
	if err != nil {
		return errors.Join(err, s.undoAll(batch[:done]))
	}
	done = 0
	for page := range slices.Chunk(batch, pageLen) {
		if err := s.enterAll(page, by); err != nil {
			return err
		}
		if done += len(page); progress != nil {
			progress(done)
		}
	}
	return nil
}

// batchKey is a key on its way in.
type batchKey struct {
	k        apikey.Key
	reserved bool // its hash was reserved for it
}

// newBatch returns the keys as they are stored, in the order of their IDs. It
// refuses two with one ID or one opaque hash.
func newBatch(keys []apikey.Key) ([]batchKey, error) {
	batch := make([]batchKey, len(keys))
	for i := range keys {
		batch[i].k = keys[i]
		if _, err := keystore.Prepare(&batch[i].k); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(batch, func(x, y batchKey) int { return bytes.Compare(x.k.ID[:], y.k.ID[:]) })
	opaque := make(map[apikey.Hash]apikey.ID)
	for i := range batch {
		k := &batch[i].k
		if i > 0 && batch[i-1].k.ID == k.ID {
			return nil, &keystore.ExistsError{ID: k.ID}
		}
		if k.Opaque {
			if other, ok := opaque[k.Hash]; ok {
				return nil, &keystore.ExistsError{ID: k.ID, SameHash: other}
			}
			opaque[k.Hash] = k.ID
		}
	}
	return batch, nil
}

// refuseExisting spares most imports that cannot succeed the undoing.
func (s *Store) refuseExisting(page []batchKey) error {
	var cmds []rueidis.Completed
	for i := range page {
		cmds = append(cmds, s.conn.B().Exists().Key(s.names.recordOf(page[i].k.ID)).Build())
	}
	for i, reply := range s.conn.DoMulti(cmds...) {
		n, err := integer(reply)
		if err != nil {
			return notRead(err)
		}
		if n > 0 {
			return &keystore.ExistsError{ID: page[i].k.ID}
		}
	}
	return nil
}

// addAll stores all records, and returns how many of them may be there.
func (s *Store) addAll(batch []batchKey, by keystore.Actor) (done int, err error) {
	for i := range batch {
		if b := &batch[i]; b.k.Opaque {
			if b.reserved, err = s.reserve(&b.k); err != nil {
				return i, err
			}
		}
	}
	if s.replicas > 0 && s.conn.Cluster() { // where entering a key is no proof for its record
		for i := range batch {
			if _, err := s.add(&batch[i].k, by); err != nil {
				return i, err
			}
		}
		return len(batch), nil
	}
	for page := range slices.Chunk(batch, pageLen) {
		var cmds []rueidis.Completed
		for i := range page {
			k := &page[i].k
			cmds = append(cmds, s.conn.B().Set().Key(s.names.recordOf(k.ID)).Value(string(keystore.EncodeKey(k))).Nx().Build())
		}
		for i, reply := range s.conn.DoMulti(cmds...) {
			s.keys.forget(page[i].k.ID)
			switch {
			case reply.Err != nil:
				err = errors.Join(err, changeError(reply.Err))
			case reply.IsNil() && err == nil:
				err = &keystore.ExistsError{ID: page[i].k.ID}
			}
		}
		done += len(page)
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// undoAll removes those records that are as addAll has written them.
func (s *Store) undoAll(batch []batchKey) (err error) {
	for i := range batch {
		k := &batch[i].k
		if _, failed := s.swap(k.ID, keystore.EncodeKey(k), nil, keystore.Actor{}); failed != nil && err == nil {
			err = errors.Join(keystore.ErrUnknownOutcome, failed)
		}
		if batch[i].reserved {
			s.release(k)
		}
	}
	return err
}

func (s *Store) enterAll(page []batchKey, by keystore.Actor) error {
	entries := make([]entry, len(page))
	var cmds []rueidis.Completed
	for i := range page {
		audit, err := newAudit("import", nil, &page[i].k, by)
		if err != nil {
			return err
		}
		entries[i] = entry{"put", page[i].k, audit}
		cmds = append(cmds, s.conn.B().Get().Key(s.names.recordOf(page[i].k.ID)).Build())
	}
	if err := s.enter(by, entries...); err != nil {
		return err
	}
	for i, reply := range s.conn.DoMulti(cmds...) {
		record := keystore.EncodeKey(&page[i].k)
		if have, err := text(reply); err == nil && have != string(record) { // changed meanwhile
			if err := s.settle(page[i].k.ID, record); err != nil {
				return err
			}
		}
	}
	return nil
}
