//go:build fleet

package redisstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/internal/redis/redistest"
	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/keystore/storetest"
)

// prefixes makes every store of a test one of its own.
var prefixes atomic.Int64

func dial(t testing.TB, config redis.Config) *redis.Conn {
	t.Helper()
	var conn *redis.Conn
	redistest.Until(t, "there is a connection", func() (done bool) {
		var err error
		if conn, err = redis.Dial(config); err != nil && !errors.Is(err, redis.ErrUnavailable) {
			t.Fatal(err)
		}
		return err == nil
	})
	t.Cleanup(conn.Close)
	return conn
}

// open opens a store that is closed with the test, unless that closes it.
func open(t testing.TB, config redis.Config) *Store {
	t.Helper()
	conn := dial(t, config)
	var s *Store
	redistest.Until(t, "the store is open", func() bool {
		var err error
		if s, err = Open(conn, Config{}); err != nil && !errors.Is(err, redis.ErrUnavailable) {
			t.Fatal(err)
		}
		return err == nil
	})
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func factory(addresses []string) storetest.Factory {
	return storetest.Factory{
		LimitsElsewhere: true,
		New: func(t *testing.T) keystore.Store {
			return open(t, redis.Config{
				Addresses: addresses, Prefix: fmt.Sprintf("p%d", prefixes.Add(1)),
				// The tests keep all processors busy.
				Timeout: 10 * time.Second, Heartbeat: 10 * time.Second,
			})
		},
		Reopen: func(t *testing.T, s keystore.Store) keystore.Store {
			config := s.(*Store).conn.Config()
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return open(t, config)
		},
		Restore: func(t *testing.T, backup io.Reader) keystore.Store {
			path := filepath.Join(t.TempDir(), "keys.db")
			file, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(file, backup); err != nil {
				t.Fatal(err)
			}
			if err := file.Chmod(0o600); err != nil {
				t.Fatal(err)
			}
			file.Close()
			if _, err := keystore.VerifyFile(path); err != nil {
				t.Errorf("the backup does not verify: %v", err)
			}
			s, err := keystore.OpenBolt(path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			return s
		},
		Tamper: func(t *testing.T, s keystore.Store, what storetest.Tampering) keystore.Store {
			tamper(t, s.(*Store), what)
			config := s.(*Store).conn.Config()
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return open(t, config)
		},
	}
}

// tamper writes to the engine what a store never would.
func tamper(t *testing.T, s *Store, what storetest.Tampering) {
	t.Helper()
	b := s.conn.B()
	var cmds []rueidis.Completed
	for _, id := range what.Damaged {
		cmds = append(cmds, b.Set().Key(s.names.recordOf(id)).Value("rubbish").Build())
	}
	for _, k := range what.Keys {
		id := k.ID.String()
		cmds = append(cmds, b.Set().Key(s.names.recordOf(k.ID)).Value(string(keystore.EncodeKey(&k))).Build(),
			b.Zadd().Key(s.names.ids).ScoreMember().ScoreMember(0, id).Build(),
			b.Zadd().Key(s.names.workspaces).ScoreMember().ScoreMember(0, inWorkspace(k.Workspace, id)).Build())
	}
	for _, e := range what.Audit {
		text, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		cmds = append(cmds, b.Zadd().Key(s.names.audit).ScoreMember().ScoreMember(float64(e.Seq), formatUint(e.Seq)+" "+string(text)).Build(),
			b.Hset().Key(s.names.meta).FieldValue().FieldValue("seq", formatUint(e.Seq)).Build())
	}
	for _, r := range s.conn.DoMulti(cmds...) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
}

func TestStore(t *testing.T) {
	storetest.Run(t, factory([]string{redistest.Start(t).Addr}))
}

func testKey(n int) apikey.Key {
	id, err := apikey.ParseID(fmt.Sprintf("%012d", n))
	if err != nil {
		panic(err)
	}
	k := apikey.Key{
		ID: id, Prefix: apikey.Prefix("patra", id), Hash: apikey.Hash{1, byte(n), byte(n >> 8), byte(n >> 16)}, Workspace: "acme", Name: "Zapier",
		Scopes: []string{"posts:read"}, CreatedAt: time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC),
	}
	if err := k.Normalize(); err != nil {
		panic(err)
	}
	return k
}

var by = keystore.Actor{At: time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC), Via: "offline"}

func revoke(k *apikey.Key) error {
	k.RevokedAt = by.At
	return nil
}
