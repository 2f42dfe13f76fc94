package redisstore

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/rueidis"

	"github.com/socialpatra/keygate/keystore"
)

// eachAudit yields the members of names.audit, oldest first.
func (s *Store) eachAudit(yield func(member string) error) error {
	for from := "-inf"; ; {
		if err := s.open(); err != nil {
			return err
		}
		m, err := s.conn.Do(s.conn.B().Zrangebyscore().Key(s.names.audit).Min(from).Max("+inf").Limit(0, pageLen).Build())
		if err != nil {
			return err
		}
		members, err := m.AsStrSlice()
		if err != nil {
			return err
		}
		for _, member := range members {
			if err := yield(member); err != nil {
				return err
			}
			number, _, _ := strings.Cut(member, " ")
			from = "(" + number
		}
		if len(members) < pageLen {
			return nil
		}
	}
}

func (s *Store) checkAudit(yield func(string, error)) error {
	return s.eachAudit(func(member string) error {
		e, wrong := decodeAudit(member)
		name := fmt.Sprintf("audit entry %d", e.Seq)
		switch {
		case wrong != nil:
			yield(name, wrong)
			return nil
		case e.Key.IsZero() && e.Workspace == "":
			yield(name, fmt.Errorf("%w: audit entry %d names neither key nor workspace", keystore.ErrDamaged, e.Seq))
			return nil
		case e.Key.IsZero():
			return nil
		}
		seq := formatUint(e.Seq)
		return s.again(func() (string, error, error) {
			replies := s.conn.DoMulti(
				s.conn.B().Zscore().Key(s.names.auditByKey).Member(byKey(e.Key, e.Seq)).Build(),
				s.conn.B().Zcount().Key(s.names.audit).Min(seq).Max(seq).Build())
			there, err := integer(replies[1])
			if err = errors.Join(replies[0].Err, err); err != nil {
				return name, nil, err
			}
			if replies[0].IsNil() && there > 0 {
				return e.Key.String(), fmt.Errorf("%w: audit entry %d is missing in the index of key %s", keystore.ErrDamaged, e.Seq, e.Key), nil
			}
			return name, nil, nil
		}, yield)
	})
}

// checkAuditByKey looks for entries that the trails of keys have, and the whole
// trail has not.
func (s *Store) checkAuditByKey(yield func(string, error)) error {
	return s.scan(func(cursor uint64) rueidis.Completed {
		return s.conn.B().Zscan().Key(s.names.auditByKey).Cursor(cursor).Count(pageLen).Build()
	}, func(elements []string) error {
		for i := 0; i+1 < len(elements); i += 2 { // member, score
			if err := s.checkAuditOfKey(elements[i], yield); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Store) checkAuditOfKey(member string, yield func(string, error)) error {
	id, number, ok := cutKey(member)
	if !ok {
		yield(fmt.Sprintf("%+q", member), fmt.Errorf("%w: %+q in the index of audit entries is no key ID and number", keystore.ErrDamaged, member))
		return nil
	}
	seq := formatUint(number)
	return s.again(func() (string, error, error) {
		replies := s.conn.DoMulti(
			s.conn.B().Zcount().Key(s.names.audit).Min(seq).Max(seq).Build(),
			s.conn.B().Zscore().Key(s.names.auditByKey).Member(member).Build())
		there, err := integer(replies[0])
		if err = errors.Join(replies[1].Err, err); err != nil {
			return id, nil, err
		}
		if there == 0 && !replies[1].IsNil() {
			return id, fmt.Errorf("%w: the audit trail of key %s lacks entry %d", keystore.ErrDamaged, id, number), nil
		}
		return id, nil, nil
	}, yield)
}

func cutKey(member string) (id string, seq uint64, ok bool) {
	const digits = 20
	if len(member) < digits+2 || member[len(member)-digits-1] != ':' {
		return "", 0, false
	}
	seq, err := strconv.ParseUint(member[len(member)-digits:], 10, 64)
	return member[:len(member)-digits-1], seq, err == nil
}
