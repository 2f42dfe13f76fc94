//go:build fleet

package redisstore

import (
	"errors"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis/redistest"
	"github.com/socialpatra/keygate/keystore"
)

// Changes of one key wait for each other, and the store says for how long the
// oldest has. Without a change before it, each ends with the connection's timeout.
func TestChangesThatWaitAreTold(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s, hasty := openWith(t, calm(server.Addr), 4), open(t, config(server.Addr))
	if got := s.Waiting(); got != 0 {
		t.Errorf("before any change: %s", got)
	}
	for n, change := range []func() error{
		func() error { return s.Create(testKey(7), by) },
		func() error {
			_, err := s.Update(testKey(1).ID, "revoke", by, revoke)
			return err
		},
		func() error {
			_, err := s.Rotate(testKey(2).ID, by, func(_, k *apikey.Key) error {
				next := testKey(8)
				k.ID, k.Hash, k.Prefix, k.CreatedAt = next.ID, next.Hash, next.Prefix, next.CreatedAt
				return nil
			})
			return err
		},
		func() error { return s.Delete(testKey(3).ID, by, nil) },
	} {
		for i := range s.writing { // whichever it needs
			s.writing[i].Lock()
		}
		done := make(chan error, 1)
		go func() { done <- change() }()
		redistest.Until(t, "a change that waits is told", func() bool { return s.Waiting() > 10*time.Millisecond })
		for i := range s.writing {
			s.writing[i].Unlock()
		}
		if err := <-done; err != nil {
			t.Errorf("change %d: %v", n, err)
		}
		if got := s.Waiting(); got != 0 {
			t.Errorf("after change %d: %s", n, got)
		}
	}

	server.Stop()
	redistest.Quickly(t, "a change while the engine hangs", 2*timeout+slack, func() {
		err := hasty.SetWorkspaceLimits("acme", &apikey.WorkspaceLimits{PerDay: 7}, by)
		if err == nil || !errors.Is(err, keystore.ErrNotWritten) && !errors.Is(err, keystore.ErrUnknownOutcome) {
			t.Errorf("while the engine hangs, a change ends with %v", err)
		}
	})
	server.Cont()
}
