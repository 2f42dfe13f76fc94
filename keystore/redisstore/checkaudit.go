package redisstore

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/rueidis"

	"github.com/socialpatra/keygate/internal/redis"
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

func (c *checker) audit() error {
	s := c.s
	var suspects []suspect
	err := s.eachAudit(func(member string) error {
		e, wrong := decodeAudit(member)
		name := fmt.Sprintf("audit entry %d", e.Seq)
		switch {
		case wrong != nil:
			c.yield(name, wrong)
			return nil
		case e.Key.IsZero() && e.Workspace == "":
			c.yield(name, fmt.Errorf("%w: audit entry %d names neither key nor workspace", keystore.ErrDamaged, e.Seq))
			return nil
		case e.Key.IsZero():
			return nil
		}
		suspects = append(suspects, s.auditSuspect(e.Key.String(), byKey(e.Key, e.Seq), e.Seq, func(inTrail, inKeys bool) error {
			if inKeys || !inTrail {
				return nil
			}
			return fmt.Errorf("%w: audit entry %d is missing in the index of key %s", keystore.ErrDamaged, e.Seq, e.Key)
		}))
		if len(suspects) < pageLen {
			return nil
		}
		some := suspects
		suspects = nil
		return c.lookAtAll(some)
	})
	if err != nil {
		return err
	}
	return c.lookAtAll(suspects)
}

// auditSuspect asks whether an entry is in the trail, and in that of its key.
func (s *Store) auditSuspect(name, member string, number uint64, problem func(inTrail, inKeys bool) error) suspect {
	seq := formatUint(number)
	return suspect{name, func(b rueidis.Builder) []rueidis.Completed {
		return []rueidis.Completed{b.Zcount().Key(s.names.audit).Min(seq).Max(seq).Build(), b.Zscore().Key(s.names.auditByKey).Member(member).Build()}
	}, func(replies []redis.Reply) (error, error) {
		there, err := integer(replies[0])
		if err = errors.Join(replies[1].Err, err); err != nil {
			return nil, err
		}
		return problem(there > 0, !replies[1].IsNil()), nil
	}}
}

// auditByKey looks for entries that the trails of keys have, and the whole trail
// has not.
func (c *checker) auditByKey() error {
	s := c.s
	return s.scan(func(cursor uint64) rueidis.Completed {
		return s.conn.B().Zscan().Key(s.names.auditByKey).Cursor(cursor).Count(pageLen).Build()
	}, func(elements []string) error {
		var suspects []suspect
		for i := 0; i+1 < len(elements); i += 2 { // member, score
			id, number, ok := cutKey(elements[i])
			if !ok {
				c.yield(fmt.Sprintf("%+q", elements[i]), fmt.Errorf("%w: %+q in the index of audit entries is no key ID and number", keystore.ErrDamaged, elements[i]))
				continue
			}
			suspects = append(suspects, s.auditSuspect(id, elements[i], number, func(inTrail, inKeys bool) error {
				if inTrail || !inKeys {
					return nil
				}
				return fmt.Errorf("%w: the audit trail of key %s lacks entry %d", keystore.ErrDamaged, id, number)
			}))
		}
		return c.lookAtAll(suspects)
	})
}

func cutKey(member string) (id string, seq uint64, ok bool) {
	const digits = 20
	if len(member) < digits+2 || member[len(member)-digits-1] != ':' {
		return "", 0, false
	}
	seq, err := strconv.ParseUint(member[len(member)-digits:], 10, 64)
	return member[:len(member)-digits-1], seq, err == nil
}
