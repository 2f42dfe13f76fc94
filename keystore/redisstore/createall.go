package redisstore

import (
	"crypto/rand"
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
// is entered into the index, so that what is undone leaves no trace; the last one
// decides. A million keys take a minute or two, during which all else goes on.
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
	c, err := s.beginAll(batch, by)
	if err != nil {
		return err
	}
	if err := c.addAll(by); err != nil {
		return c.end(err)
	}
	done := 0
	return c.over(c.complete(by, func(n int) {
		_ = c.touch() // others may finish it as well
		if done += n; progress != nil {
			progress(done)
		}
	}))
}

// beginAll notes a batch.
func (s *Store) beginAll(batch []apikey.Key, by keystore.Actor) (*change, error) {
	c := &change{s: s, name: rand.Text(), mine: true, keys: "*," + batch[len(batch)-1].ID.String()}
	for keys := range slices.Chunk(batch, pageLen) {
		entries := make([]entry, len(keys))
		for i := range keys {
			audit, err := newAudit("import", nil, &keys[i], by)
			if err != nil {
				return nil, err
			}
			entries[i] = entry{op: "put", k: keys[i], audit: audit, made: true}
		}
		if err := c.note(entries, nil); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// newBatch returns the keys as they are stored, in the order of their IDs. It
// refuses two with one ID or one opaque hash.
func newBatch(keys []apikey.Key) ([]apikey.Key, error) {
	batch := slices.Clone(keys)
	for i := range batch {
		if _, err := keystore.Prepare(&batch[i]); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(batch, func(x, y apikey.Key) int { return compareIDs(x.ID, y.ID) })
	opaque := make(map[apikey.Hash]apikey.ID)
	for i := range batch {
		k := &batch[i]
		if i > 0 && batch[i-1].ID == k.ID {
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

// refuseExisting refuses keys that exist before anything is stored, so that most
// imports that cannot succeed need not be undone.
func (s *Store) refuseExisting(page []apikey.Key) error {
	var cmds []rueidis.Completed
	for i := range page {
		cmds = append(cmds, s.conn.B().Exists().Key(s.names.recordOf(page[i].ID)).Build())
	}
	for i, reply := range s.conn.DoMulti(cmds...) {
		n, err := integer(reply)
		if err != nil {
			return notRead(err)
		}
		if n > 0 {
			return &keystore.ExistsError{ID: page[i].ID}
		}
	}
	return nil
}

// addAll stores all records. That of the last key, which decides, is stored when
// all others are.
func (c *change) addAll(by keystore.Actor) error {
	for _, entries := range c.pages {
		for i := range entries {
			if k := &entries[i].k; k.Opaque {
				if err := c.reserve(k); err != nil {
					return err
				}
			}
		}
		if err := c.touch(); err != nil {
			return err
		}
	}
	for p, entries := range c.pages {
		if p == len(c.pages)-1 {
			entries = entries[:len(entries)-1]
		}
		if err := c.addPage(entries, by); err != nil {
			return err
		}
		if err := c.touch(); err != nil {
			return err
		}
	}
	last := c.pages[len(c.pages)-1]
	return c.addPage(last[len(last)-1:], by)
}

func (c *change) addPage(entries []entry, by keystore.Actor) error {
	s := c.s
	exists := func(swapped bool, k *apikey.Key) error {
		if swapped {
			return nil
		}
		return &keystore.ExistsError{ID: k.ID}
	}
	if len(entries) == 1 || s.replicas > 0 && s.conn.Cluster() { // where entering a key is no proof for its record
		for i := range entries {
			k := &entries[i].k
			swapped, err := c.swap(k.ID, nil, entries[i].bytes(), by)
			if err == nil {
				err = exists(swapped, k)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	keys, args := make([][]string, len(entries)), make([][]string, len(entries))
	for i := range entries {
		id := entries[i].k.ID
		keys[i] = []string{s.names.recordOf(id), s.names.useOf(id), s.names.marksOf(id), s.names.seenOf(id)}
		record := entries[i].bytes()
		args[i] = append([]string{"", string(record), c.name}, seenChanges(id, nil, record, by.At)...)
	}
	var failed error
	for i, reply := range s.conn.RunAll(swapScript, keys, args) {
		k := &entries[i].k
		s.keys.forget(k.ID)
		added, err := swapped(reply)
		if err == nil {
			err = exists(added, k)
		}
		if err != nil && (failed == nil || errors.Is(err, keystore.ErrUnknownOutcome)) {
			failed = err
		}
	}
	return failed
}
