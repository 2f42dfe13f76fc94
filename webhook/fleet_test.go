//go:build fleet

package webhook

import (
	"net/http"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/internal/redis/redistest"
	"github.com/socialpatra/keygate/keystore/redisstore"
)

// openFleet opens the store of one gateway.
func openFleet(t *testing.T, address string) *redisstore.Store {
	t.Helper()
	var conn *redis.Conn
	until(t, "there is a connection", func() (done bool) {
		var err error
		conn, err = redis.Dial(redis.Config{Addresses: []string{address}, Timeout: 5 * time.Second, Heartbeat: time.Second})
		return err == nil
	})
	t.Cleanup(conn.Close)
	var s *redisstore.Store
	until(t, "the store is open", func() (done bool) {
		var err error
		s, err = redisstore.Open(conn, redisstore.Config{})
		return err == nil
	})
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// TestOneOfTwoGatewaysSends has two gateways, of which one dies without a word while the
// receiver fails. The other goes on, under the same IDs, and nothing is sent by both.
func TestOneOfTwoGatewaysSends(t *testing.T) {
	server := redistest.Start(t)
	c := &clock{at: start}
	r := newReceiver(t, c)
	hook := r.hook(t)
	gateway := func() *world {
		w := newWorld(t, c)
		w.store, w.log = openFleet(t, server.Addr), zap.NewNop()
		w.serve(hook)
		return w
	}
	a := gateway()
	b := gateway()
	b.keys = 1000
	for range 20 {
		a.create()
		b.create()
	}
	until(t, "all is taken", func() bool { _, taken := r.deliveries(); return len(taken) >= 40 })
	until(t, "their senders know", func() bool { return a.counts.Attempts(Delivered)+b.counts.Attempts(Delivered) == 40 })
	if n := b.counts.Attempts(Delivered); n != 0 {
		t.Errorf("the other sent %d", n)
	}
	r.answers(status(http.StatusInternalServerError))
	for range 10 {
		b.create()
	}
	until(t, "some were tried", func() bool { return a.counts.Attempts(Refused) >= downAfter })
	a.kill()
	r.answers(nil)
	for range 5 {
		b.create()
	}
	lease := "{keygate}:lease:" + hook.Name()
	if server.Do("EXISTS", lease) != "1" {
		t.Fatal("whoever is killed has left the outbox")
	}
	b.advance("the other looks again", time.Second, func() bool { return c.now().After(start.Add(2 * renewEvery)) })
	if n := b.counts.Attempts(Delivered); n != 0 {
		t.Errorf("%d were sent while another held the outbox", n)
	}
	server.Do("PEXPIRE", lease, "1")
	b.advance("the other has sent the rest", time.Second, func() bool { _, taken := r.deliveries(); return len(taken) >= 55 })
	b.wantOnce(r, 55)
	_, taken := r.deliveries()
	wantFacts(t, told(t, taken), expected(t, b.store, 0, nil))
	b.end()
	if server.Do("EXISTS", lease) != "0" {
		t.Error("whoever ends keeps the outbox")
	}
}

// TestEngineIsAway has an engine that hangs for a while. What was sent meanwhile is not
// sent again under another ID, and nothing is missing.
func TestEngineIsAway(t *testing.T) {
	server := redistest.Start(t)
	c := &clock{at: start}
	w, r := newWorld(t, c), newReceiver(t, c)
	w.store = openFleet(t, server.Addr)
	w.serve(r.hook(t))
	for i := range 60 {
		w.create()
		if i%20 == 10 {
			server.Do("CLIENT", "PAUSE", "700", "ALL")
		}
		c.add(time.Second)
	}
	w.advance("all is delivered", time.Second, func() bool { return w.isIdle(r.hook(t)) })
	_, taken := r.deliveries()
	wantFacts(t, told(t, taken), expected(t, w.store, 0, nil))
}
