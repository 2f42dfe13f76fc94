//go:build fleet

package redisstore

import (
	"errors"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/internal/redis/redistest"
	"github.com/socialpatra/keygate/keystore"
)

func TestDamagedRecord(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := openWith(t, calm(server.Addr), 2)
	k := testKey(0)
	record := keystore.EncodeKey(&k)
	record[len(record)-1] ^= 1
	server.Do("SET", s.names.recordOf(k.ID), string(record))
	redistest.Until(t, "it is refused", func() bool {
		g, ok, err := s.Lookup(k.ID)
		if err == nil && (!ok || g.Hash != k.Hash) {
			t.Fatalf("another key, or none: %t", ok)
		}
		return errors.Is(err, keystore.ErrDamaged)
	})
	if _, err := s.Get(k.ID); !errors.Is(err, keystore.ErrDamaged) {
		t.Errorf("get: %v", err)
	}
	if _, err := s.Update(k.ID, "revoke", by, revoke); !errors.Is(err, keystore.ErrDamaged) {
		t.Errorf("update: %v", err)
	}
	if page, err := s.List(keystore.Query{}); err != nil || len(page.Keys) != 1 {
		t.Errorf("list: %d keys, %v", len(page.Keys), err)
	}
	succeeds(t, func() error { return s.Delete(k.ID, by, nil) })
	if keys, err := s.Check(func(name string, problem error) { t.Errorf("%s: %v", name, problem) }); err != nil || keys != 1 {
		t.Errorf("check: %d keys, %v", keys, err)
	}
}

func TestNoSecretInErrors(t *testing.T) {
	t.Parallel()
	const secret = "correct-horse"
	server := redistest.Start(t, "--requirepass", secret)
	c := config(server.Addr)
	c.Password = secret
	s := openWith(t, c, 2)
	errs := []error{}
	try := func() {
		_, _, err := s.Lookup(testKey(1).ID)
		_, updating := s.Update(testKey(0).ID, "revoke", by, revoke)
		errs = append(errs, err, updating, s.Writable(), s.Create(testKey(9), by))
	}
	server.Do("CONFIG", "SET", "requirepass", "another")
	server.Password = "another"
	server.Do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
	redistest.Until(t, "it is refused", func() bool { try(); return s.Writable() != nil })
	server.Kill9()
	try()
	if _, err := redis.Dial(c); err == nil {
		t.Error("connected to nobody")
	} else {
		errs = append(errs, err)
	}
	failed := 0
	for _, err := range errs {
		if err == nil {
			continue
		}
		failed++
		k := testKey(1)
		for _, s := range []string{secret, "another", string(k.Hash[:])} {
			if strings.Contains(err.Error(), s) {
				t.Errorf("%v shows a secret", err)
			}
		}
	}
	if failed < 4 {
		t.Errorf("only %d errors", failed)
	}
}
