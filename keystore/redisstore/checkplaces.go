package redisstore

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/rueidis"

	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/keystore"
)

// unplaced looks for entries that have no place, among those that should.
func (c *checker) unplaced() error {
	s := c.s
	meta, err := text(s.conn.DoMulti(s.conn.B().Hget().Key(s.names.meta).Field("placed").Build())[0])
	if err != nil {
		return err
	}
	placed, _ := strconv.ParseUint(meta, 10, 64)
	var page []uint64
	look := func() error {
		places, err := s.placesOf(page)
		if err != nil {
			return err
		}
		var suspects []suspect
		for i, place := range places {
			if _, ok := placeIn(place); ok {
				continue
			}
			seq := page[i]
			suspects = append(suspects, s.placeSuspect(keystore.AuditPlace{}, seq, func(inTrail, _ bool, place string) error {
				if !inTrail || place != "" { // one that cannot be read is told of by places
					return nil
				}
				return fmt.Errorf("%w: audit entry %d is missing in the trail of its workspace", keystore.ErrDamaged, seq)
			}))
		}
		page = page[:0]
		return c.lookAtAll(suspects)
	}
	err = s.eachAudit(func(member string) error {
		if e, wrong := decodeAudit(member); wrong != nil || e.Seq > placed {
			return nil //nolint:nilerr // audit tells of it
		} else if page = append(page, e.Seq); len(page) < pageLen {
			return nil
		}
		return look()
	})
	if err != nil {
		return err
	}
	return look()
}

// places looks for places of entries that the trail has not, and for those that the
// trails of workspaces lack.
func (c *checker) places() error {
	s := c.s
	return s.scan(func(cursor uint64) rueidis.Completed {
		return s.conn.B().Hscan().Key(s.names.places).Cursor(cursor).Count(pageLen).Build()
	}, func(elements []string) error {
		var suspects []suspect
		for i := 0; i+1 < len(elements); i += 2 { // number, place
			seq, err := strconv.ParseUint(elements[i], 10, 64)
			at, ok := placeIn(elements[i+1])
			if err != nil || !ok {
				c.yield(fmt.Sprintf("%+q", elements[i]), fmt.Errorf("%w: %+q is no place of an audit entry", keystore.ErrDamaged, elements[i]+" "+elements[i+1]))
				continue
			}
			suspects = append(suspects, s.placeSuspect(at, seq, func(inTrail, placed bool, place string) error {
				switch {
				case place != elements[i+1]: // it was pruned
					return nil
				case !inTrail:
					return fmt.Errorf("%w: the audit trail lacks entry %d, which has a place", keystore.ErrDamaged, seq)
				case at.Number > 0 && !placed:
					return fmt.Errorf("%w: audit entry %d is missing in the trail of workspace %s", keystore.ErrDamaged, seq, at.Workspace)
				}
				return nil
			}))
		}
		return c.lookAtAll(suspects)
	})
}

// auditByWorkspace looks for entries that the trails of workspaces have, and that
// have no such place.
func (c *checker) auditByWorkspace() error {
	s := c.s
	return s.scan(func(cursor uint64) rueidis.Completed {
		return s.conn.B().Zscan().Key(s.names.auditByWs).Cursor(cursor).Count(pageLen).Build()
	}, func(elements []string) error {
		var suspects []suspect
		for i := 0; i+1 < len(elements); i += 2 { // member, score
			at, seq, ok := cutTrail(elements[i])
			switch {
			case !ok:
				c.yield(fmt.Sprintf("%+q", elements[i]), fmt.Errorf("%w: %+q in the trails of workspaces is no workspace and number", keystore.ErrDamaged, elements[i]))
				continue
			case seq == 0: // the last number of those that are pruned
				continue
			}
			suspects = append(suspects, s.placeSuspect(at, seq, func(_, placed bool, place string) error {
				if there, ok := placeIn(place); !placed || ok && there == at {
					return nil
				}
				return fmt.Errorf("%w: the trail of workspace %s has audit entry %d, which is not in it", keystore.ErrDamaged, at.Workspace, seq)
			}))
		}
		return c.lookAtAll(suspects)
	})
}

// placeSuspect asks whether an entry is in the trail of all and in that of its
// workspace, and for its place.
func (s *Store) placeSuspect(at keystore.AuditPlace, seq uint64, problem func(inTrail, placed bool, place string) error) suspect {
	number := formatUint(seq)
	return suspect{"audit entry " + number, func(b rueidis.Builder) []rueidis.Completed {
		return []rueidis.Completed{
			b.Zcount().Key(s.names.audit).Min(number).Max(number).Build(),
			b.Zscore().Key(s.names.auditByWs).Member(inTrail(at, seq)).Build(),
			b.Hget().Key(s.names.places).Field(number).Build(),
		}
	}, func(replies []redis.Reply) (error, error) {
		there, err := integer(replies[0])
		if err = errors.Join(replies[1].Err, err); err != nil {
			return nil, err
		}
		place, err := text(replies[2])
		if err != nil {
			return nil, err
		}
		return problem(there > 0, !replies[1].IsNil(), place), nil
	}}
}
