package redisstore

import (
	"errors"
	"fmt"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

var _ keystore.Mender = (*Store)(nil)

// Complete implements [keystore.Mender]. It looks at every key of the engine.
func (s *Store) Complete() error {
	if err := s.AwaitSettled(); err != nil {
		return err
	}
	var unlisted, lost []apikey.ID
	c := &checker{s: s, yield: func(string, error) {}}
	if _, err := c.everyKey(); err != nil {
		return err
	}
	for try := 0; try < rechecks && len(c.keys) > 0; try++ {
		if try > 0 {
			time.Sleep(recheckPause)
		}
		looks, err := s.lookAt(c.keys)
		if err != nil {
			return err
		}
		c.keys, unlisted, lost = nil, nil, nil
		for i := range looks {
			switch l := &looks[i]; {
			case l.whole && l.unlisted:
				unlisted = append(unlisted, l.id)
			case l.record == nil && l.problem != nil:
				lost = append(lost, l.id)
			default:
				continue
			}
			c.keys = append(c.keys, looks[i].id)
		}
	}
	switch {
	case len(unlisted) > 0:
		return fmt.Errorf("%w: %d keys work that the index lacks, such as %s, and they would be left out; caddy keygate check --mend enters them",
			keystore.ErrDamaged, len(unlisted), unlisted[0])
	case len(lost) > 0:
		return fmt.Errorf("%w: the index has %d keys whose records are missing, such as %s; bring the records back, or delete the keys",
			keystore.ErrDamaged, len(lost), lost[0])
	}
	return nil
}

// AwaitSettled implements [keystore.Mender].
func (s *Store) AwaitSettled() error {
	for deadline := time.Now().Add(3 * s.grace()); ; time.Sleep(endPause) {
		_, failed := s.resolveNotes()
		left, err := s.abandoned()
		if err = errors.Join(failed, err); err == nil && !left {
			return nil
		}
		if time.Now().After(deadline) {
			if err == nil {
				err = fmt.Errorf("%w: changes are left over that cannot be finished", keystore.ErrUnavailable)
			}
			return err
		}
	}
}

// abandoned reports whether there are changes that nobody may be going on with:
// those that are made touch their notes more often.
func (s *Store) abandoned() (bool, error) {
	notes, err := s.notes()
	for i := range notes {
		if notes[i].age > s.grace()/2 || s.isGivenUp(notes[i].name) {
			return true, nil
		}
	}
	return false, err
}
