package redisstore

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/socialpatra/keygate/apikey"
)

// Prune implements [keystore.Store]. It may run on several gateways at once.
func (s *Store) Prune(day apikey.Day, before time.Time) error {
	if err := s.open(); err != nil {
		return err
	}
	return changeError(errors.Join(s.pruneUse(day), s.pruneCharged(day), s.pruneAudit(before)))
}

func (s *Store) pruneUse(day apikey.Day) error {
	err := s.eachUsed(math.MinInt32, func(id apikey.ID, fields map[string]string, _ error) error {
		var old []string
		for field := range fields {
			if d, err := strconv.ParseInt(field, 10, 32); err == nil && apikey.Day(d) < day {
				old = append(old, field)
			}
		}
		if len(old) == 0 {
			return nil
		}
		_, err := s.conn.Do(s.conn.B().Hdel().Key(s.names.useOf(id)).Field(old...).Build())
		return err
	})
	if err != nil {
		return err
	}
	_, err = s.conn.Do(s.conn.B().Zremrangebyscore().Key(s.names.used).Min("-inf").Max("(" + formatInt(int64(day))).Build())
	return err
}

func (s *Store) pruneCharged(day apikey.Day) error {
	usage, _, err := s.charged()
	if err != nil {
		return err
	}
	var old []string
	for _, u := range usage {
		if u.Day < day {
			old = append(old, formatInt(int64(u.Day))+" "+u.Workspace)
		}
	}
	if len(old) == 0 {
		return nil
	}
	_, err = s.conn.Do(s.conn.B().Hdel().Key(s.names.charged).Field(old...).Build())
	return err
}

// pruneAudit removes entries from the oldest on, up to the first that is to
// stay; one that cannot be read goes with those around it.
func (s *Store) pruneAudit(before time.Time) error {
	for page := pageLen; ; {
		m, err := s.conn.Do(s.conn.B().Zrange().Key(s.names.audit).Min("0").Max(strconv.Itoa(page - 1)).Build())
		if err != nil {
			return err
		}
		members, err := m.AsStrSlice()
		if err != nil {
			return err
		}
		old := 0 // how many are known to be old, or lie before one that is
		var keys []string
		for i, member := range members {
			e, err := decodeAudit(member)
			if err == nil && !e.At.Before(before) {
				break
			}
			if err == nil {
				old = i + 1
			}
		}
		switch {
		case old > 0:
			page = pageLen
		case len(members) < page:
			return nil
		default: // nothing of it can be read
			page *= 2
			continue
		}
		for _, member := range members[:old] {
			e, err := decodeAudit(member)
			if err != nil {
				found, err := s.auditKeysOf(e.Seq)
				if err != nil {
					return err
				}
				keys = append(keys, found...)
			} else if !e.Key.IsZero() {
				keys = append(keys, byKey(e.Key, e.Seq))
			}
		}
		args := append([]string{strconv.Itoa(old)}, members[:old]...)
		n := &s.names
		if _, err := s.conn.Run(pruneScript, []string{n.audit, n.auditByKey, n.auditByWs, n.places}, append(args, keys...)); err != nil {
			return err
		}
	}
}

// auditKeysOf looks through all keys for an entry that no longer tells its own.
func (s *Store) auditKeysOf(seq uint64) (members []string, err error) {
	suffix := byKey(apikey.ID{}, seq)
	err = s.scan(func(cursor uint64) rueidis.Completed {
		return s.conn.B().Zscan().Key(s.names.auditByKey).Cursor(cursor).Match("*" + suffix).Count(pageLen).Build()
	}, func(elements []string) error {
		for i := 0; i+1 < len(elements); i += 2 { // member, score
			members = append(members, elements[i])
		}
		return nil
	})
	return members, err
}

// Brand implements [keystore.Store].
func (s *Store) Brand() (string, error) {
	if err := s.open(); err != nil {
		return "", err
	}
	return text(s.conn.DoMulti(s.conn.B().Hget().Key(s.names.meta).Field("brand").Build())[0])
}

// SetBrand implements [keystore.Store]. It refuses another brand than that of the
// gateways that are there.
func (s *Store) SetBrand(brand string) error {
	if err := s.open(); err != nil {
		return err
	}
	m, err := s.conn.Run(brandScript, []string{s.names.meta, s.names.gateways},
		[]string{brand, s.gateway, strconv.Itoa(int(presentFor / time.Second))})
	if err != nil {
		return changeError(err)
	}
	other, err := m.ToString()
	if err == nil && other != "" {
		err = fmt.Errorf("other gateways of this fleet make keys of the brand %s, and not %s: give this one the same key_prefix, or another prefix on the engine; or stop them first", other, brand)
	}
	return err
}
