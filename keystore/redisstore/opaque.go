package redisstore

import (
	"fmt"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// reserve gives the hash of an opaque key to its ID before there is a record.
// It returns an error where another key has the hash. One that belongs to no key,
// as a change leaves it that is about to be undone, is taken over after a while.
func (c *change) reserve(k *apikey.Key) error {
	s := c.s
	from, deadline := "", time.Now().Add(s.dangling())
	for {
		m, err := s.conn.Run(reserveScript, []string{s.names.meta, s.names.opaque, s.names.pending},
			[]string{string(k.Hash[:]), k.ID.String(), from, c.name})
		if err != nil {
			return changeError(err)
		}
		have, err := m.ToString()
		switch {
		case err != nil:
			return changeError(err)
		case have == "closed":
			return fmt.Errorf("%w: %w", keystore.ErrNotWritten, errGivenUp)
		case have == from, have == k.ID.String():
			return nil
		}
		holder, err := apikey.ParseID(have)
		if err == nil {
			taken, err := s.holdsHash(holder, k.Hash)
			if err != nil {
				return notRead(err)
			}
			if taken {
				return &keystore.ExistsError{ID: k.ID, SameHash: holder}
			}
		}
		if time.Now().After(deadline) {
			from = have
			continue
		}
		time.Sleep(s.dangling() / 20)
		if err := c.touch(); err != nil {
			return err
		}
	}
}

func (s *Store) holdsHash(id apikey.ID, hash apikey.Hash) (bool, error) {
	record, err := s.raw(id)
	if err != nil || record == nil {
		return false, err
	}
	k, err := keystore.DecodeKey(id, record)
	return err != nil || k.Opaque && k.Hash == hash, nil //nolint:nilerr // it may have it
}

// findPlaces sets the workspace of a key, and the hash of an opaque one, by what
// the administration knows, where the record no longer tells.
func (s *Store) findPlaces(k *apikey.Key) (err error) {
	if k.Workspace, err = s.workspaceOf(k.ID); err != nil {
		return err
	}
	k.Hash, k.Opaque, err = s.hashOf(k.ID)
	return err
}

// workspaceOf looks through all workspaces for a key whose record no longer
// tells its own. "" is none.
func (s *Store) workspaceOf(id apikey.ID) (workspace string, err error) {
	suffix := inWorkspace("", id.String())
	err = s.scan(func(cursor uint64) rueidis.Completed {
		return s.conn.B().Zscan().Key(s.names.workspaces).Cursor(cursor).Match("*" + suffix).Count(pageLen).Build()
	}, func(elements []string) error {
		if len(elements) > 0 {
			workspace = strings.TrimSuffix(elements[0], suffix)
		}
		return nil
	})
	return workspace, err
}

// hashOf looks through all hashes for the one that finds a key.
func (s *Store) hashOf(id apikey.ID) (hash apikey.Hash, found bool, err error) {
	name := id.String()
	err = s.scan(func(cursor uint64) rueidis.Completed {
		return s.conn.B().Hscan().Key(s.names.opaque).Cursor(cursor).Count(pageLen).Build()
	}, func(elements []string) error {
		for i := 0; i+1 < len(elements); i += 2 { // hash, ID
			if elements[i+1] == name && len(elements[i]) == len(hash) {
				found = true
				copy(hash[:], elements[i])
			}
		}
		return nil
	})
	return hash, found, err
}
