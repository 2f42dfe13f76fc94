package redisstore

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/keystore"
)

// Backup implements [keystore.Store]. It writes a store file, as [keystore.Bolt]
// does, which it first makes in a temporary folder; but none while records and
// index differ, as keys that work would be missing.
//
// Consistent means here: every record is whole and as it was at some moment of
// the backup, the file passes all checks, and what was changed before the backup
// began, and not during it, is as it was. Changes made meanwhile may be in it
// one by one: of two, the later without the earlier.
func (s *Store) Backup(w io.Writer) error {
	if err := s.open(); err != nil {
		return err
	}
	if err := s.Complete(); err != nil {
		return err
	}
	if err := s.placeTrail(time.Now().Add(3 * s.grace())); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "keygate-backup-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "keys.db")
	replies := s.conn.DoMulti(s.conn.B().Hmget().Key(s.names.meta).Field("brand", "seq").Build())
	if replies[0].Err != nil {
		return replies[0].Err
	}
	meta, err := replies[0].ToArray()
	if err != nil || len(meta) != 2 {
		return fmt.Errorf("%w: the key store's brand and number cannot be read", keystore.ErrDamaged)
	}
	brand, _ := text(redis.Reply{RedisMessage: meta[0]})
	number, _ := text(redis.Reply{RedisMessage: meta[1]})
	seq, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return fmt.Errorf("%w: the number of the last audit entry is %+q", keystore.ErrDamaged, number)
	}
	if err := keystore.BuildFile(path, brand, seq, func(f *keystore.Builder) error { return s.fill(f, seq) }); err != nil {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(w, file)
	return err
}

func (s *Store) fill(f *keystore.Builder, seq uint64) error {
	if err := s.fillKeys(f); err != nil {
		return err
	}
	watched, err := s.watched()
	if err != nil {
		return err
	}
	if err := f.Watched(watched); err != nil {
		return err
	}
	charged, _, err := s.charged()
	if err != nil {
		return err
	}
	for _, u := range charged {
		if err := f.WorkspaceUsage(u); err != nil {
			return err
		}
	}
	for workspace, lim := range s.AllWorkspaceLimits() {
		if err := f.WorkspaceLimits(workspace, lim); err != nil {
			return err
		}
	}
	if err := s.fillAudit(f, seq); err != nil {
		return err
	}
	return s.fillOutboxes(f, seq)
}

// fillKeys leaves out what does not verify, and the second of two opaque keys
// with one hash: the first was deleted meanwhile.
func (s *Store) fillKeys(f *keystore.Builder) error {
	opaque := make(map[apikey.Hash]bool)
	for after, more := (apikey.ID{}), true; more; {
		var ids []apikey.ID
		var err error
		if ids, more, err = s.idsAfter("", "", after, pageLen); err != nil {
			return err
		}
		var cmds []rueidis.Completed
		for _, id := range ids {
			cmds = append(cmds, s.conn.B().Get().Key(s.names.recordOf(id)).Build(), s.conn.B().Hgetall().Key(s.names.useOf(id)).Build(),
				s.conn.B().Hgetall().Key(s.names.seenOf(id)).Build())
			after = id
		}
		replies := s.conn.DoMulti(cmds...)
		for i, id := range ids {
			record, err := text(replies[3*i])
			if err != nil && !errors.Is(err, redis.ErrForeign) {
				return err
			}
			k, err := keystore.DecodeKey(id, []byte(record))
			if err != nil || k.Opaque && opaque[k.Hash] {
				continue
			}
			opaque[k.Hash] = opaque[k.Hash] || k.Opaque
			if err := fillKey(f, &k, replies[3*i+1], replies[3*i+2]); err != nil {
				return err
			}
		}
	}
	return nil
}

func fillKey(f *keystore.Builder, k *apikey.Key, use, seen redis.Reply) error {
	if err := f.Key(k); err != nil {
		return err
	}
	fields, _, err := useIn(k.ID, use)
	if err != nil {
		return err
	}
	usage, last, _ := decodeUse(k.ID, fields)
	for _, u := range usage {
		if err := f.Usage(u); err != nil {
			return err
		}
	}
	if !last.IsZero() {
		if err := f.LastUsed(k.ID, last); err != nil {
			return err
		}
	}
	r, err := seenNow(k.ID, seen)
	if err != nil || r.Since == 0 && r.Network == 0 && len(r.Scopes) == 0 {
		return err
	}
	return f.Seen(k.ID, &r)
}
