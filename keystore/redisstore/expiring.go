package redisstore

import (
	"errors"
	"time"

	"github.com/redis/rueidis"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/keystore"
)

// Expiring implements [keystore.Store]. It asks the index for the keys, and reads
// only these.
func (s *Store) Expiring(from, to time.Time, yield func(*apikey.Key) bool) error {
	var err error
	for _, name := range s.expiringSets() {
		more := true
		for page := (expiringPage{name: name, from: "(" + formatInt(from.Unix()), to: formatInt(to.Unix())}); more && page.from != ""; {
			if err = s.nextExpiring(&page); err != nil {
				return err
			}
			more, err = s.readEach(page.ids, func(k *apikey.Key) bool {
				return !k.RevokedAt.IsZero() || !k.ExpiresAt.After(from) || k.ExpiresAt.After(to) || yield(k)
			})
			if err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
	}
	return nil
}

// expiringSets are the sets that have every key that expires and is not revoked.
func (s *Store) expiringSets() []string { return []string{s.names.expires, s.names.until} }

// expiringPage is a page of one of expiringSets. Keys expire at whole seconds.
type expiringPage struct {
	name     string
	from, to string // "" in from: there is no other page
	skip     int64  // how many of those at from were on pages before
	ids      []apikey.ID
}

// nextExpiring reads a page. Any number of keys may expire in the same second.
func (s *Store) nextExpiring(p *expiringPage) error {
	if err := s.open(); err != nil {
		return err
	}
	m, err := s.conn.Do(s.conn.B().Zrangebyscore().Key(p.name).Min(p.from).Max(p.to).Withscores().Limit(p.skip, pageLen).Build())
	if err != nil {
		return err
	}
	found, err := m.AsZScores()
	if err != nil {
		return err
	}
	p.ids = p.ids[:0]
	for _, member := range found {
		if id, err := apikey.ParseID(member.Member); err == nil {
			p.ids = append(p.ids, id)
		}
	}
	if len(found) < pageLen {
		p.from = ""
		return nil
	}
	last := found[len(found)-1].Score
	if at := formatInt(int64(last)); at != p.from {
		p.from, p.skip = at, 0
	}
	for i := len(found) - 1; i >= 0 && found[i].Score == last; i-- {
		p.skip++
	}
	return nil
}

// readEach reads keys and calls yield with those that can be read. It reports
// whether yield wants more.
func (s *Store) readEach(ids []apikey.ID, yield func(*apikey.Key) bool) (more bool, err error) {
	var cmds []rueidis.Completed
	for _, id := range ids {
		cmds = append(cmds, s.conn.B().Get().Key(s.names.recordOf(id)).Build())
	}
	for i, reply := range s.conn.DoMulti(cmds...) {
		record, err := text(reply)
		if err != nil && !errors.Is(err, redis.ErrForeign) { // which is as one that does not verify
			return false, err
		}
		if k, err := keystore.DecodeKey(ids[i], []byte(record)); err == nil && !yield(&k) {
			return false, nil
		}
	}
	return true, nil
}

// CountExpiring implements [keystore.Store].
func (s *Store) CountExpiring(from, to time.Time) (n int, err error) {
	if err := s.open(); err != nil {
		return 0, err
	}
	var cmds []rueidis.Completed
	for _, name := range s.expiringSets() {
		cmds = append(cmds, s.conn.B().Zcount().Key(name).Min("("+formatInt(from.Unix())).Max(formatInt(to.Unix())).Build())
	}
	for _, reply := range s.conn.DoMulti(cmds...) {
		found, err := integer(reply)
		if err != nil {
			return 0, err
		}
		n += int(found)
	}
	return n, nil
}
