package redisstore

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/keystore"
)

// What was seen of the use of a key is a hash, see [keystore.SeenRecord]. The field
// of a scope, which has a colon, has two days: from when on its use is watched, or 0,
// and when it was last used, or 0. The field "since" is a day, and "network" is a
// network, or severalNetworks.
const (
	fieldSince      = "since"
	fieldNetwork    = "network"
	severalNetworks = "*"
)

// Seen implements [keystore.Store]. A record that does not verify counts as none of
// today.
func (s *Store) Seen(ids []apikey.ID) ([]apikey.Seen, error) {
	if err := s.open(); err != nil {
		return nil, err
	}
	watched, err := s.watched()
	if err != nil {
		return nil, err
	}
	all := make([]apikey.Seen, 0, len(ids))
	for page := range slices.Chunk(ids, pageLen) {
		var cmds []rueidis.Completed
		for _, id := range page {
			cmds = append(cmds, s.conn.B().Get().Key(s.names.recordOf(id)).Build(), s.conn.B().Hgetall().Key(s.names.seenOf(id)).Build())
		}
		replies := s.conn.DoMulti(cmds...)
		for i, id := range page {
			record, err := recordIn(replies[2*i])
			if err != nil && !errors.Is(err, redis.ErrForeign) {
				return nil, err
			}
			r, err := seenNow(id, replies[2*i+1])
			if err != nil {
				return nil, err
			}
			var seen apikey.Seen
			if k, err := keystore.DecodeKey(id, record); err == nil { // otherwise there is none, or Check tells of it
				seen = r.Of(&k, watched)
			}
			all = append(all, seen)
		}
	}
	return all, nil
}

// watched returns the day from which on the store watches: today, if that cannot be
// read.
func (s *Store) watched() (apikey.Day, error) {
	since, err := text(s.conn.DoMulti(s.conn.B().Hget().Key(s.names.meta).Field("watched").Build())[0])
	if err != nil {
		return 0, err
	}
	day, wrong := parseDay(since)
	if wrong != nil {
		day = apikey.DayOf(time.Now())
	}
	return day, nil
}

// seenNow reads the record of a key in an answer. One that does not verify begins
// today.
func seenNow(id apikey.ID, reply redis.Reply) (keystore.SeenRecord, error) {
	r, wrong, err := seenIn(id, reply)
	if wrong != nil {
		r = keystore.SeenRecord{Since: apikey.DayOf(time.Now())}
	}
	return r, err
}

// seenIn reads the record of a key in an answer; wrong says why it does not verify.
func seenIn(id apikey.ID, reply redis.Reply) (r keystore.SeenRecord, wrong, err error) {
	switch {
	case errors.Is(reply.Err, redis.ErrForeign):
		wrong = reply.Err
	case reply.Err != nil:
		return r, nil, reply.Err
	default:
		fields, err := reply.AsStrMap()
		if err != nil {
			return r, nil, err
		}
		r, wrong = decodeSeen(fields)
	}
	if wrong != nil {
		wrong = fmt.Errorf("what was seen of key %s: %w", id, wrong)
	}
	return r, wrong, nil
}

func decodeSeen(fields map[string]string) (r keystore.SeenRecord, wrong error) {
	for field, value := range fields {
		var err error
		switch field {
		case fieldSince:
			r.Since, err = parseDay(value)
		case fieldNetwork:
			r.Network, err = parseNetwork(value)
		default:
			var use apikey.ScopeUse
			use, err = parseScopeUse(field, value)
			r.Scopes = append(r.Scopes, use)
		}
		wrong = errors.Join(wrong, err)
	}
	slices.SortFunc(r.Scopes, func(x, y apikey.ScopeUse) int { return cmp.Compare(x.Scope, y.Scope) })
	return r, wrong
}

func parseDay(text string) (apikey.Day, error) {
	day, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%w: %q is no day", keystore.ErrDamaged, text)
	}
	return apikey.Day(day), nil
}

func parseNetwork(text string) (apikey.Network, error) {
	if text == severalNetworks {
		return apikey.SeveralNetworks, nil
	}
	prefix, err := netip.ParsePrefix(text)
	if network := apikey.NetworkOf(prefix.Addr()); err == nil && network.Prefix() == prefix {
		return network, nil
	}
	return 0, fmt.Errorf("%w: %q is no network", keystore.ErrDamaged, text)
}

func parseScopeUse(scope, text string) (use apikey.ScopeUse, err error) {
	use.Scope = scope
	if apikey.CheckScope(scope) != nil {
		return use, fmt.Errorf("%w: it is about %q, which is no scope", keystore.ErrDamaged, scope)
	}
	if n, err := fmt.Sscanf(text, "%d %d", &use.Since, &use.Last); n != 2 || err != nil || formatScopeUse(use.Since, use.Last) != text {
		return use, fmt.Errorf("%w: %q are not two days", keystore.ErrDamaged, text)
	}
	return use, nil
}

func formatScopeUse(since, last apikey.Day) string { return formatDay(since) + " " + formatDay(last) }

// seen looks at what was seen of all keys.
func (c *checker) seen() error {
	s := c.s
	return s.conn.Scan(s.names.seen, func(names []string) error {
		var ids []apikey.ID
		var cmds []rueidis.Completed
		for _, name := range names {
			id, ok := idIn(s.names.seen, name)
			if !ok {
				c.yield(fmt.Sprintf("%+q", name), fmt.Errorf("%w: what was seen of a key is stored under the name %+q, which is no key ID", keystore.ErrDamaged, name))
				continue
			}
			ids = append(ids, id)
			cmds = append(cmds, s.conn.B().Hgetall().Key(name).Build())
		}
		for i, reply := range s.conn.DoMulti(cmds...) {
			_, wrong, err := seenIn(ids[i], reply)
			if err != nil {
				return err
			}
			if wrong != nil {
				c.yield(ids[i].String(), wrong)
			}
		}
		return nil
	})
}
