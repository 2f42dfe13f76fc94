//go:build fleet

package redisstore

import (
	"fmt"
	"testing"
	"time"

	"github.com/socialpatra/keygate/internal/redis/redistest"
	"github.com/socialpatra/keygate/keystore"
)

// Damage may be as long as it likes: what is old behind it is pruned.
func TestPruneManyDamaged(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := openWith(t, calm(server.Addr), 3)
	for n := range 3*pageLen + 1 {
		server.Do("ZADD", s.names.audit, fmt.Sprintf("0.%06d", n), fmt.Sprintf("0 rubbish %d", n))
	}
	succeeds(t, func() error { return s.Prune(0, by.At.Add(time.Second)) })
	if page, err := s.Audit(keystore.AuditQuery{}); err != nil || len(page.Entries) != 0 {
		t.Errorf("%d entries are left, %v", len(page.Entries), err)
	}
}
