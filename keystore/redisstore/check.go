package redisstore

import (
	"fmt"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/keystore"
)

// Record and index are written one after the other, so that Check may meet them
// in between. What looks wrong is looked at again so often, with such a pause.
const (
	rechecks     = 8
	recheckPause = 25 * time.Millisecond
)

// suspect looks at one thing, and returns what to call it, and what is wrong
// with it: a problem, or why it could not be looked at.
type suspect func() (name string, problem, err error)

// Check implements [keystore.Store]. Besides each record it checks that records,
// index and audit trail agree with each other. It looks at every key of the
// engine. Every problem wraps [keystore.ErrDamaged] or [keystore.ErrNewer].
func (s *Store) Check(yield func(name string, problem error)) (keys int, err error) {
	if err := s.open(); err != nil {
		return 0, err
	}
	seen := make(map[apikey.ID]bool)
	err = s.conn.Scan(s.names.record, func(names []string) error {
		var ids []apikey.ID
		for _, name := range names {
			id, ok := s.names.idOf(name)
			if !ok {
				yield(fmt.Sprintf("%+q", name), fmt.Errorf("%w: a record under the name %+q, which is no key ID", keystore.ErrDamaged, name))
			} else if !seen[id] {
				seen[id] = true
				ids = append(ids, id)
			}
		}
		return s.checkKeys(ids, yield)
	})
	if err != nil {
		return len(seen), err
	}
	for after := (apikey.ID{}); ; {
		ids, more, err := s.idsAfter("", "", after, pageLen)
		if err != nil {
			return len(seen), err
		}
		var missing []apikey.ID
		for _, id := range ids {
			if !seen[id] {
				missing = append(missing, id)
			}
			after = id
		}
		if err := s.checkKeys(missing, yield); err != nil {
			return len(seen), err
		}
		if !more {
			break
		}
	}
	for _, part := range []func(func(string, error)) error{s.checkOpaque, s.checkUse, s.checkWorkspaces, s.checkAudit, s.checkAuditByKey} {
		if err := part(yield); err != nil {
			return len(seen), err
		}
	}
	return len(seen), nil
}

// again yields what is still wrong with a suspect after a while.
func (s *Store) again(look suspect, yield func(string, error)) error {
	for try := 0; ; try++ {
		name, problem, err := look()
		switch {
		case err != nil || problem == nil:
			return err
		case try == rechecks:
			yield(name, problem)
			return nil
		}
		time.Sleep(recheckPause)
	}
}

// checkKeys looks at records and their places in the index. The first look is
// at all of them at once.
func (s *Store) checkKeys(ids []apikey.ID, yield func(string, error)) error {
	var cmds []rueidis.Completed
	for _, id := range ids {
		cmds = append(cmds, s.keyQuestions(id)...)
	}
	replies := s.conn.DoMulti(cmds...)
	each := 0
	if len(ids) > 0 {
		each = len(cmds) / len(ids)
	}
	for i, id := range ids {
		problem, err := s.judgeKey(id, replies[i*each:(i+1)*each])
		if err == nil && problem != nil {
			err = s.again(func() (string, error, error) {
				problem, err := s.judgeKey(id, s.conn.DoMulti(s.keyQuestions(id)...))
				return id.String(), problem, err
			}, yield)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) keyQuestions(id apikey.ID) []rueidis.Completed {
	b := s.conn.B()
	return []rueidis.Completed{
		b.Get().Key(s.names.recordOf(id)).Build(),
		b.Zscore().Key(s.names.ids).Member(id.String()).Build(),
		b.Zscore().Key(s.names.disabled).Member(id.String()).Build(),
		b.Zscore().Key(s.names.revoked).Member(id.String()).Build(),
		b.Zscore().Key(s.names.expires).Member(id.String()).Build(),
	}
}

func (s *Store) judgeKey(id apikey.ID, replies []redis.Reply) (problem, err error) {
	var answers [5]string
	for i := range replies {
		switch {
		case replies[i].Err != nil:
			return nil, replies[i].Err
		case replies[i].IsNil():
		case i == 0:
			answers[i], err = replies[i].ToString()
		default:
			var score float64
			score, err = replies[i].AsFloat64()
			answers[i] = strconv.FormatFloat(score, 'f', -1, 64)
		}
		if err != nil {
			return nil, err
		}
	}
	record, indexed := answers[0], answers[1] != ""
	switch {
	case record == "" && indexed:
		return fmt.Errorf("%w: the index has key %s, but its record is missing; delete it, or bring the record back", keystore.ErrDamaged, id), nil
	case record == "":
		return nil, nil
	}
	k, wrong := keystore.DecodeKey(id, []byte(record))
	if wrong != nil {
		return wrong, nil
	}
	if _, wrong := k.Grant(); wrong != nil {
		return fmt.Errorf("%w: %w", keystore.ErrDamaged, wrong), nil
	}
	if !indexed {
		return fmt.Errorf("%w: key %s is missing in the index; restart a gateway to mend it", keystore.ErrDamaged, id), nil
	}
	e := entry{k: k}
	args, err := e.args(nil)
	if err != nil {
		return nil, err
	}
	state, expires := args[3], args[4]
	if (answers[2] != "") != (state == "disabled") || (answers[3] != "") != (state == "revoked") || answers[4] != expires {
		return fmt.Errorf("%w: the index has key %s in another status", keystore.ErrDamaged, id), nil
	}
	return s.judgePlaces(&k)
}

// judgePlaces looks for a key under its workspace and its hash.
func (s *Store) judgePlaces(k *apikey.Key) (problem, err error) {
	b := s.conn.B()
	cmds := []rueidis.Completed{b.Zscore().Key(s.names.workspaces).Member(inWorkspace(k.Workspace, k.ID.String())).Build()}
	if k.Opaque {
		cmds = append(cmds, b.Hget().Key(s.names.opaque).Field(string(k.Hash[:])).Build())
	}
	replies := s.conn.DoMulti(cmds...)
	for i := range replies {
		if replies[i].Err != nil {
			return nil, replies[i].Err
		}
	}
	if replies[0].IsNil() {
		return fmt.Errorf("%w: key %s is missing in the index of its workspace", keystore.ErrDamaged, k.ID), nil
	}
	if k.Opaque {
		holder, err := text(replies[1])
		if err != nil {
			return nil, err
		}
		if holder != k.ID.String() {
			return fmt.Errorf("%w: the hash of opaque key %s finds %+q", keystore.ErrDamaged, k.ID, holder), nil
		}
	}
	return nil, nil
}
