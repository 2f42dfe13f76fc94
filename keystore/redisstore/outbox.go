package redisstore

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/keystore"
)

// AuditAfter implements [keystore.Store]. An entry gets its number in the step that
// enters it, so none comes to lie before another that was told already.
func (s *Store) AuditAfter(seq uint64, limit int) (entries []keystore.PlacedEntry, last uint64, err error) {
	if err := s.open(); err != nil {
		return nil, 0, err
	}
	number, err := text(s.conn.DoMulti(s.conn.B().Hget().Key(s.names.meta).Field("seq").Build())[0])
	if err != nil {
		return nil, 0, err
	}
	if last, err = strconv.ParseUint(number, 10, 64); err != nil {
		return nil, 0, fmt.Errorf("%w: the number of the last audit entry is %+q", keystore.ErrDamaged, number)
	}
	if seq >= last {
		return nil, last, nil
	}
	m, err := s.conn.Do(s.conn.B().Zrangebyscore().Key(s.names.audit).Min("("+formatUint(seq)).Max(number).Withscores().Limit(0, int64(limit)).Build())
	if err != nil {
		return nil, 0, err
	}
	members, err := m.AsZScores()
	if err != nil {
		return nil, 0, err
	}
	seqs := make([]uint64, len(members))
	for i, member := range members {
		e, _ := decodeAudit(member.Member)
		if e.Seq != uint64(member.Score) { // one without a number cannot be read
			e = keystore.AuditEntry{Seq: uint64(member.Score), Action: actionDamaged}
		}
		seqs[i] = e.Seq
		entries = append(entries, keystore.PlacedEntry{AuditEntry: e, Of: e.Workspace})
	}
	places, err := s.placesOf(seqs)
	if err != nil {
		return nil, 0, err
	}
	for i := range entries {
		if at, ok := placeIn(places[i]); ok && !entries[i].Key.IsZero() {
			entries[i].Of = at.Workspace
		}
	}
	return entries, last, nil
}

// outboxKeys are the keys of the scripts about an outbox.
func (s *Store) outboxKeys(name string) []string {
	n := &s.names
	return []string{n.meta, n.outboxes, n.lease + name, n.outbox + name}
}

var leaseText = formatInt(keystore.OutboxLease.Milliseconds())

// OpenOutbox implements [keystore.Store].
func (s *Store) OpenOutbox(name, holder string, now time.Time) (box keystore.Outbox, held bool, err error) {
	if err := s.open(); err != nil {
		return box, false, err
	}
	m, err := s.conn.Run(openOutboxScript, s.outboxKeys(name), []string{name, holder, formatInt(now.Unix()), leaseText})
	if err != nil {
		return box, false, err
	}
	place, err := m.ToString()
	if err != nil || place == "" {
		return box, false, err
	}
	if box.Place, err = strconv.ParseUint(place, 10, 64); err != nil {
		return box, false, fmt.Errorf("%w: the place of outbox %s is %+q", keystore.ErrDamaged, name, place)
	}
	err = s.readOutbox(name, &box)
	return box, err == nil, err
}

// readOutbox reads the messages of an outbox.
func (s *Store) readOutbox(name string, box *keystore.Outbox) error {
	seen := make(map[keystore.MessageName]bool) // a scan may yield one twice
	err := s.scan(func(cursor uint64) rueidis.Completed {
		return s.conn.B().Hscan().Key(s.names.outbox + name).Cursor(cursor).Count(pageLen).Build()
	}, func(elements []string) error {
		for i := 0; i+1 < len(elements); i += 2 { // name, record
			at, err := messageNamed(elements[i])
			if err != nil || seen[at] {
				continue // Check tells of it
			}
			seen[at] = true
			m, err := keystore.DecodeMessage(at, []byte(elements[i+1]))
			if err != nil {
				box.Damaged = append(box.Damaged, at)
				continue
			}
			box.Messages = append(box.Messages, m)
		}
		return nil
	})
	slices.SortFunc(box.Messages, func(x, y keystore.Message) int {
		return strings.Compare(fieldOf(x.MessageName), fieldOf(y.MessageName))
	})
	return err
}

// fieldOf is the field of a message, of which the numbers sort.
func fieldOf(m keystore.MessageName) string { return fmt.Sprintf("%020d %s", m.Seq, m.Kind) }

func messageNamed(field string) (keystore.MessageName, error) {
	number, kind, _ := strings.Cut(field, " ")
	seq, err := strconv.ParseUint(number, 10, 64)
	m := keystore.MessageName{Seq: seq, Kind: kind}
	if err != nil || kind == "" || fieldOf(m) != field {
		return m, fmt.Errorf("%w: %+q is no name of a message", keystore.ErrDamaged, field)
	}
	return m, nil
}

// KeepOutbox implements [keystore.Store].
func (s *Store) KeepOutbox(name, holder string, now time.Time) (held bool, err error) {
	if err := s.open(); err != nil {
		return false, err
	}
	m, err := s.conn.Run(keepOutboxScript, s.outboxKeys(name), []string{name, holder, formatInt(now.Unix()), leaseText})
	if err != nil {
		return false, err
	}
	return m.AsBool()
}

// ChangeOutbox implements [keystore.Store].
func (s *Store) ChangeOutbox(name, holder string, c keystore.OutboxChange) error {
	if err := s.open(); err != nil {
		return err
	}
	args := []string{name, holder, formatUint(c.From), formatUint(c.To), strconv.Itoa(len(c.Put))}
	for i := range c.Put {
		record, err := keystore.EncodeMessage(&c.Put[i])
		if err != nil {
			return err
		}
		args = append(args, fieldOf(c.Put[i].MessageName), string(record))
	}
	for _, m := range c.Drop {
		args = append(args, fieldOf(m))
	}
	m, err := s.conn.Run(changeOutboxScript, s.outboxKeys(name), args)
	if err != nil {
		return changeError(err)
	}
	if changed, err := m.AsBool(); err != nil || !changed {
		return errors.Join(keystore.ErrOutboxLost, err)
	}
	return nil
}

// LeaveOutbox implements [keystore.Store].
func (s *Store) LeaveOutbox(name, holder string) error {
	if err := s.open(); err != nil {
		return err
	}
	_, err := s.conn.Run(leaveOutboxScript, s.outboxKeys(name), []string{holder})
	return err
}

// eachOutbox calls yield with each outbox, and when it was last wanted.
func (s *Store) eachOutbox(yield func(name string, place uint64, seen time.Time, wrong error) error) error {
	m, err := s.conn.Do(s.conn.B().Hgetall().Key(s.names.outboxes).Build())
	if err != nil {
		return err
	}
	states, err := m.AsStrMap()
	if err != nil {
		return err
	}
	for name, state := range states {
		number, unix, _ := strings.Cut(state, " ")
		place, wrong := strconv.ParseUint(number, 10, 64)
		seconds, alsoWrong := strconv.ParseInt(unix, 10, 64)
		if wrong = errors.Join(wrong, alsoWrong); wrong != nil {
			wrong = fmt.Errorf("%w: the place of outbox %s is %+q", keystore.ErrDamaged, name, state)
		}
		if err := yield(name, place, time.Unix(seconds, 0), wrong); err != nil {
			return err
		}
	}
	return nil
}

// ForgetOutboxes implements [keystore.Store].
func (s *Store) ForgetOutboxes(before time.Time) (messages int, err error) {
	if err := s.open(); err != nil {
		return 0, err
	}
	err = s.eachOutbox(func(name string, _ uint64, seen time.Time, wrong error) error {
		if wrong != nil || !seen.Before(before) {
			return nil //nolint:nilerr // Check tells of it
		}
		m, err := s.conn.Run(forgetOutboxScript, s.outboxKeys(name), []string{name, formatInt(before.Unix())})
		if err != nil {
			return changeError(err)
		}
		n, err := m.AsInt64()
		messages += int(n)
		return err
	})
	return messages, err
}

// outboxes looks for what cannot be read of outboxes.
func (c *checker) outboxes() error {
	s := c.s
	return s.eachOutbox(func(name string, _ uint64, _ time.Time, wrong error) error {
		if wrong != nil {
			c.yield("outbox "+name, wrong)
		}
		return s.scan(func(cursor uint64) rueidis.Completed {
			return s.conn.B().Hscan().Key(s.names.outbox + name).Cursor(cursor).Count(pageLen).Build()
		}, func(elements []string) error {
			for i := 0; i+1 < len(elements); i += 2 {
				at, wrong := messageNamed(elements[i])
				if wrong == nil {
					_, wrong = keystore.DecodeMessage(at, []byte(elements[i+1]))
				}
				if wrong != nil {
					c.yield("outbox "+name, wrong)
				}
			}
			return nil
		})
	})
}

// fillOutboxes copies the outboxes into a backup of which the last entry has the
// number last: what was taken of later ones is not in it.
func (s *Store) fillOutboxes(f *keystore.Builder, last uint64) error {
	return s.eachOutbox(func(name string, place uint64, seen time.Time, wrong error) error {
		if wrong != nil {
			return nil //nolint:nilerr // Check tells of it
		}
		box := keystore.Outbox{Place: min(place, last)}
		if err := s.readOutbox(name, &box); err != nil && !errors.Is(err, redis.ErrForeign) {
			return err
		}
		box.Messages = slices.DeleteFunc(box.Messages, func(m keystore.Message) bool { return m.Seq > last })
		return f.Outbox(name, seen, box)
	})
}
