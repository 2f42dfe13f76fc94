//go:build fleet

package redisstore

import (
	"errors"
	"testing"

	"github.com/socialpatra/keygate/internal/redis/redistest"
	"github.com/socialpatra/keygate/keystore"
)

// TestOutboxHasOneHolder has two gateways that want one outbox.
func TestOutboxHasOneHolder(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := calm(server.Addr)
	a, b := openWith(t, c, 1), open(t, c)
	holds := func(s *Store, holder string, want bool) {
		t.Helper()
		if _, held, err := s.OpenOutbox("box", holder, by.At); held != want || err != nil {
			t.Errorf("%s opens the outbox: %t, %v; want %t", holder, held, err, want)
		}
		if held, err := s.KeepOutbox("box", holder, by.At); held != want || err != nil {
			t.Errorf("%s keeps the outbox: %t, %v; want %t", holder, held, err, want)
		}
		lost := s.ChangeOutbox("box", holder, keystore.OutboxChange{From: 1, To: 1})
		if want && lost != nil || !want && !errors.Is(lost, keystore.ErrOutboxLost) {
			t.Errorf("%s changes the outbox: %v", holder, lost)
		}
	}
	holds(a, "a", true)
	holds(b, "b", false)
	holds(a, "a", true)
	if err := b.LeaveOutbox("box", "b"); err != nil { // which it does not hold
		t.Error(err)
	}
	holds(b, "b", false)
	if err := a.LeaveOutbox("box", "a"); err != nil {
		t.Error(err)
	}
	holds(b, "b", true)
	holds(a, "a", false)
	lease := b.names.lease + "box"
	if left := server.Do("PTTL", lease); left == "-1" || left == "-2" {
		t.Errorf("the lease of a gateway that dies ends never: %s", left)
	}
	server.Do("PEXPIRE", lease, "1")
	redistest.Until(t, "the lease has ended", func() bool { return server.Do("EXISTS", lease) == "0" })
	if held, err := b.KeepOutbox("box", "b", by.At); !held || err != nil {
		t.Errorf("nobody else has the outbox, and it is lost: %t, %v", held, err)
	}
	server.Do("PEXPIRE", lease, "1")
	redistest.Until(t, "the lease has ended", func() bool { return server.Do("EXISTS", lease) == "0" })
	holds(a, "a", true)
	holds(b, "b", false)
}

// TestLateEntryIsTaken has a change that is entered long after others that began
// later: whoever has taken those finds it behind them.
func TestLateEntryIsTaken(t *testing.T) {
	t.Parallel()
	s := open(t, calm(redistest.Start(t).Addr))
	late := testKey(0)
	audit, err := newAudit("create", nil, &late, by)
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.begin(entry{op: "put", k: late, audit: audit, made: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.add(&late, by); err != nil {
		t.Fatal(err)
	}
	succeeds(t, func() error { return s.Create(testKey(1), by) })
	entries, last, err := s.AuditAfter(0, 10)
	if err != nil || last != 1 || len(entries) != 1 || entries[0].Key != testKey(1).ID {
		t.Fatalf("before it is entered: %+v of %d, %v", entries, last, err)
	}
	if err := c.complete(by, nil); err != nil {
		t.Fatal(err)
	}
	if entries, last, err = s.AuditAfter(last, 10); err != nil || last != 2 || len(entries) != 1 || entries[0].Key != late.ID || entries[0].Of != late.Workspace {
		t.Errorf("after it is entered: %+v of %d, %v", entries, last, err)
	}
}

// TestDamagedOutbox has an engine to which somebody else has written. What can be read
// is kept, the rest is told of.
func TestDamagedOutbox(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := openWith(t, calm(server.Addr), 1)
	if _, _, err := s.OpenOutbox("box", "a", by.At); err != nil {
		t.Fatal(err)
	}
	good := keystore.Message{MessageName: keystore.MessageName{Seq: 1, Kind: "good"}, ID: "msg", At: by.At, Body: []byte(`{}`)}
	if err := s.ChangeOutbox("box", "a", keystore.OutboxChange{From: 1, To: 1, Put: []keystore.Message{good}}); err != nil {
		t.Fatal(err)
	}
	server.Do("HSET", s.names.outbox+"box", fieldOf(keystore.MessageName{Seq: 7, Kind: "bad"}), "rubbish")
	server.Do("HSET", s.names.outbox+"box", "no name", "{}")
	box, held, err := s.OpenOutbox("box", "a", by.At)
	if err != nil || !held || len(box.Messages) != 1 || len(box.Damaged) != 1 || box.Damaged[0].Kind != "bad" {
		t.Errorf("%+v, %t, %v", box, held, err)
	}
	server.Do("ZADD", s.names.audit, "2", "rubbish")
	server.Do("HSET", s.names.meta, "seq", "2")
	if entries, _, err := s.AuditAfter(0, 9); err != nil || len(entries) != 2 || entries[0].Damaged() || !entries[1].Damaged() || entries[1].Seq != 2 {
		t.Errorf("%+v, %v", entries, err)
	}
	server.Do("HSET", s.names.outboxes, "box", "rubbish")
	if box, held, err := s.OpenOutbox("other", "a", by.At); err != nil || !held || box.Place != 2 {
		t.Errorf("another: %+v, %t, %v", box, held, err)
	}
	told := 0
	if _, err := s.Check(func(_ string, problem error) {
		if told++; !errors.Is(problem, keystore.ErrDamaged) {
			t.Error(problem)
		}
	}); err != nil || told != 4 {
		t.Errorf("check tells of %d, %v", told, err)
	}
	if box, held, err := s.OpenOutbox("box", "a", by.At); err != nil || !held || box.Place != 2 {
		t.Errorf("one whose place is unknown begins elsewhere than at the end: %+v, %t, %v", box, held, err)
	}
}
