//go:build fleet

package redisstore

import (
	"errors"
	"io"
	"testing"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis/redistest"
	"github.com/socialpatra/keygate/keystore"
)

// Whatever is asked of a store whose engine is away, or refuses the command, is
// answered from memory or with an error that is a failure of the store.
func TestEveryErrorOfTheEngineIsAFailure(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := openWith(t, config(server.Addr), 2)
	k := testKey(0)
	calls := map[string]func() error{
		"lookup":  func() error { _, _, err := s.Lookup(testKey(1).ID); return err },
		"get":     func() error { _, err := s.Get(k.ID); return err },
		"list":    func() error { _, err := s.List(keystore.Query{}); return err },
		"create":  func() error { return s.Create(testKey(9), by) },
		"import":  func() error { return s.CreateAll([]apikey.Key{testKey(9)}, by, nil) },
		"update":  func() error { _, err := s.Update(k.ID, "revoke", by, revoke); return err },
		"delete":  func() error { return s.Delete(k.ID, by, nil) },
		"limits":  func() error { return s.SetWorkspaceLimits("acme", nil, by) },
		"usage":   func() error { _, err := s.Usage(k.ID, 0, 1); return err },
		"used":    func() error { _, err := s.LastUsed(k.ID); return err },
		"scopes":  func() error { _, err := s.HeldScopes("", 1); return err },
		"audit":   func() error { _, err := s.Audit(keystore.AuditQuery{}); return err },
		"backup":  func() error { return s.Backup(io.Discard) },
		"check":   func() error { _, err := s.Check(func(string, error) {}); return err },
		"changes": s.Writable,
	}
	failed := 0
	try := func(when string) {
		for name, call := range calls {
			if err := call(); err != nil {
				failed++
				if !keystore.IsFailure(err) && !errors.Is(err, keystore.ErrExists) && !errors.Is(err, keystore.ErrNotFound) { // one of these calls deletes it
					t.Errorf("%s: %s: %v is no failure of the store", when, name, err)
				}
			}
		}
	}
	for _, name := range []string{s.names.audit, s.names.limits, s.names.recordOf(k.ID), s.names.useOf(k.ID)} {
		server.Do("DEL", name)
		server.Do("RPUSH", name, "x") // of another type than the store's
	}
	try("a wrong type")
	server.Kill9()
	try("no engine")
	if failed < len(calls) {
		t.Errorf("only %d calls failed", failed)
	}
}
