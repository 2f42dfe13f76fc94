package redisstore

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/rueidis"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/keystore"
)

// look is what a look at a key and its places has shown.
type look struct {
	id       apikey.ID
	record   []byte
	k        apikey.Key
	whole    bool  // the record verifies
	unlisted bool  // the list of all keys lacks it
	problem  error // with the record, or with a place in the index; nil: none
}

// lookAt looks at keys and their places in the index.
func (s *Store) lookAt(ids []apikey.ID) ([]look, error) {
	looks := make([]look, 0, len(ids))
	for len(ids) > 0 {
		some := ids[:min(len(ids), pageLen)]
		ids = ids[len(some):]
		page, err := s.lookAtPage(some)
		if err != nil {
			return nil, err
		}
		looks = append(looks, page...)
	}
	return looks, nil
}

func (s *Store) lookAtPage(ids []apikey.ID) ([]look, error) {
	b, n := s.conn.B(), &s.names
	const questions = 6
	cmds := make([]rueidis.Completed, 0, questions*len(ids))
	for _, id := range ids {
		cmds = append(cmds, b.Get().Key(n.recordOf(id)).Build(), b.Zscore().Key(n.ids).Member(id.String()).Build(),
			b.Zscore().Key(n.disabled).Member(id.String()).Build(), b.Zscore().Key(n.revoked).Member(id.String()).Build(),
			b.Zscore().Key(n.expires).Member(id.String()).Build(), b.Zscore().Key(n.until).Member(id.String()).Build())
	}
	replies := s.conn.DoMulti(cmds...)
	looks := make([]look, len(ids))
	for i, id := range ids {
		looks[i].id = id
		if err := looks[i].judge(replies[questions*i : questions*(i+1)]); err != nil {
			return nil, err
		}
	}
	return looks, s.lookAtPlaces(looks)
}

// judge reads the answers about a key.
func (l *look) judge(replies []redis.Reply) (err error) {
	l.record, err = recordIn(replies[0])
	if errors.Is(err, redis.ErrForeign) {
		l.problem = fmt.Errorf("the record of key %s: %w", l.id, err)
		return nil
	}
	if err != nil {
		return err
	}
	var scores [5]string // "" for none
	for i := range scores {
		if scores[i], err = scoreIn(replies[1+i]); err != nil {
			return err
		}
	}
	indexed, disabled, revoked := scores[0] != "", scores[1] != "", scores[2] != ""
	if l.record == nil {
		if indexed {
			l.problem = fmt.Errorf("%w: the index has key %s, but its record is missing; delete it, or bring the record back", keystore.ErrDamaged, l.id)
		}
		return nil
	}
	if l.k, l.problem = keystore.DecodeKey(l.id, l.record); l.problem != nil {
		return nil //nolint:nilerr // it is the record's problem
	}
	if _, wrong := l.k.Grant(); wrong != nil {
		l.problem = fmt.Errorf("%w: %w", keystore.ErrDamaged, wrong)
		return nil
	}
	l.whole, l.unlisted = true, !indexed
	if !indexed {
		l.problem = fmt.Errorf("%w: key %s is missing in the index; %s", keystore.ErrDamaged, l.id, toMend)
		return nil
	}
	e := entry{k: l.k}
	state, at := e.state()
	expires, until := at, ""
	if state == "disabled" {
		expires, until = until, expires
	}
	if disabled != (state == "disabled") || revoked != (state == "revoked") || scores[3] != expires || scores[4] != until {
		l.problem = fmt.Errorf("%w: the index has key %s in another status; %s", keystore.ErrDamaged, l.id, toMend)
	}
	return nil
}

// toMend is what mends an index.
const toMend = "check --mend mends it"

func scoreIn(reply redis.Reply) (string, error) {
	if reply.Err != nil || reply.IsNil() {
		return "", reply.Err
	}
	score, err := reply.AsFloat64()
	return strconv.FormatFloat(score, 'f', -1, 64), err
}

// lookAtPlaces looks for keys under their workspaces and hashes.
func (s *Store) lookAtPlaces(looks []look) error {
	b := s.conn.B()
	var cmds []rueidis.Completed
	for i := range looks {
		if k := &looks[i].k; looks[i].whole {
			cmds = append(cmds, b.Zscore().Key(s.names.workspaces).Member(inWorkspace(k.Workspace, k.ID.String())).Build())
			if k.Opaque {
				cmds = append(cmds, b.Hget().Key(s.names.opaque).Field(string(k.Hash[:])).Build())
			}
		}
	}
	replies := s.conn.DoMulti(cmds...)
	for i := range looks {
		l := &looks[i]
		if !l.whole {
			continue
		}
		if replies[0].Err != nil {
			return replies[0].Err
		}
		if replies[0].IsNil() && l.problem == nil {
			l.problem = fmt.Errorf("%w: key %s is missing in the index of its workspace; %s", keystore.ErrDamaged, l.id, toMend)
		}
		replies = replies[1:]
		if !l.k.Opaque {
			continue
		}
		holder, err := text(replies[0])
		replies = replies[1:]
		if err != nil {
			return err
		}
		if holder != l.id.String() && l.problem == nil {
			l.problem = fmt.Errorf("%w: the hash of opaque key %s finds %+q", keystore.ErrDamaged, l.id, holder)
		}
	}
	return nil
}
