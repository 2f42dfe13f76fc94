//go:build fleet

package redisstore

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/internal/redis/redistest"
	"github.com/socialpatra/keygate/keystore"
)

// TestOvertaken has every change of a key overtaken by every other change of it: the
// first waits before one of its calls to the engine until the second is made, and
// before each call that follows somebody tries to take room in the workspace. There
// are never more live keys than the bound says, whatever the index was told when.
func TestOvertaken(t *testing.T) {
	server := redistest.Start(t)
	var firsts sync.WaitGroup
	for i, first := range overtaken(0) {
		if first.name == "nothing" {
			continue
		}
		firsts.Go(func() {
			c := redis.Config{Prefix: fmt.Sprintf("o%d", i), Timeout: 10 * time.Second, Heartbeat: 10 * time.Second}
			gate := redistest.NewGate(t, server.Addr)
			c.Addresses = []string{server.Addr}
			o := overtaking{t: t, gate: gate}
			o.well, o.others = open(t, c), open(t, c)
			c.Addresses = []string{gate.Addr}
			o.slow = open(t, c)
			for _, o.most = range []int{2, 3} { // with a key that is live, and another, it is full or not
				o.first = overtaken(o.most)[i]
				for j, second := range overtaken(o.most) {
					if os.Getenv("KEYGATE_LONG") == "" && j > 7 {
						continue // the first ones are the harder ones
					}
					for _, start := range []string{"absent", "live", "expired"} {
						for stop := 0; o.run(start, second, stop); stop++ {
						}
					}
				}
			}
			t.Logf("%s: overtaken %d times", first.name, o.n)
		})
	}
	firsts.Wait()
}

// overtakable is a change of the key of a schedule.
type overtakable struct {
	name   string
	before func(well *Store, k apikey.Key) error // what it finds
	run    func(s *Store, k apikey.Key) error
}

func overtaken(most int) []overtakable {
	edit := func(name string, edit func(*apikey.Key)) overtakable {
		return overtakable{name: name, run: func(s *Store, k apikey.Key) error {
			return last(s.Update(k.ID, "update", within(most), func(k *apikey.Key) error { edit(k); return nil }))
		}}
	}
	rotate := func(name string, overlap time.Duration) overtakable {
		return overtakable{name: name, run: func(s *Store, k apikey.Key) error {
			return last(s.Rotate(k.ID, within(most), func(old, next *apikey.Key) error {
				if !old.ReplacedBy.IsZero() {
					return errRotated
				}
				n := numbered(k, 1)
				next.ID, next.Hash, next.Prefix, next.CreatedAt, next.ExpiresAt, next.Disabled = n.ID, n.Hash, n.Prefix, by.At, time.Time{}, false
				old.ExpiresAt = by.At.Add(overlap)
				return nil
			}))
		}}
	}
	return []overtakable{
		{name: "nothing", run: func(*Store, apikey.Key) error { return nil }},
		{name: "create", run: func(s *Store, k apikey.Key) error { return s.Create(k, within(most)) }},
		{name: "delete", run: func(s *Store, k apikey.Key) error { return s.Delete(k.ID, within(most), nil) }},
		edit("expire", func(k *apikey.Key) { k.ExpiresAt = by.At }),
		edit("prolong", func(k *apikey.Key) { k.ExpiresAt = time.Time{} }),
		edit("rename", func(k *apikey.Key) { k.Name += "x" }),
		rotate("rotate at once", 0),
		{name: "deletion of the successor", run: func(s *Store, k apikey.Key) error { return s.Delete(numbered(k, 1).ID, within(most), nil) }},
		{name: "expiry of the successor", run: func(s *Store, k apikey.Key) error {
			return last(s.Update(numbered(k, 1).ID, "update", within(most), func(k *apikey.Key) error { k.ExpiresAt = by.At; return nil }))
		}},
		rotate("rotate with an overlap", time.Hour),
		{name: "import of an expired key", run: func(s *Store, k apikey.Key) error {
			k.ExpiresAt = by.At
			return s.CreateAll([]apikey.Key{k}, by, nil)
		}},
		{
			name: "mend", run: func(s *Store, k apikey.Key) error { _, err := s.mendKeys([]apikey.ID{k.ID}); return err },
			before: func(well *Store, k apikey.Key) error { // which the index calls live, or has not
				m, err := well.conn.Do(well.conn.B().Zrem().Key(well.names.expires).Member(k.ID.String()).Build())
				if n, _ := m.AsInt64(); err != nil || n > 0 {
					return err
				}
				_, err = well.conn.Do(well.conn.B().Zrem().Key(well.names.ids).Member(k.ID.String()).Build())
				return err
			},
		},
		{
			name: "finish", run: func(s *Store, k apikey.Key) error {
				notes, err := s.notes()
				for i := range notes {
					if n := &notes[i]; err == nil && n.concerns(k.ID) {
						_, err = s.resolve(n.name, n.keys, true)
					}
				}
				return err
			},
			before: func(well *Store, k apikey.Key) error { // a gateway has ended before it entered the change
				record, changed, err := well.stored(k.ID)
				if err != nil {
					return nil //nolint:nilerr // there is none
				}
				changed.ExpiresAt = by.At
				c, err := well.begin(entry{op: "put", k: changed})
				if err == nil {
					_, err = c.swap(k.ID, record, keystore.EncodeKey(&changed), by)
				}
				return err
			},
		},
	}
}

// numbered is the nth key beside that of a schedule: its successor, the one that is
// live all the time, and those that are tried.
func numbered(k apikey.Key, n int) apikey.Key {
	number, _ := strconv.Atoi(k.ID.String()) // see testKey
	next := testKey(number + n)
	next.Workspace = k.Workspace
	return next
}

type overtaking struct {
	t                  *testing.T
	gate               *redistest.Gate
	well, others, slow *Store
	first              overtakable
	most               int // live keys
	n                  int // schedules
}

// run lets the second change overtake the first before its call number stop, from 0.
// It reports false where there is no such call.
func (o *overtaking) run(start string, second overtakable, stop int) bool {
	o.n++
	k := testKey(100 * o.n)
	k.Workspace = fmt.Sprintf("w%d", o.n)
	fails := func(format string, args ...any) {
		o.t.Errorf("a key that is %s, at most %d: %s, overtaken at call %d by %s: %s", start, o.most, o.first.name, stop, second.name, fmt.Sprintf(format, args...))
	}
	if err := o.begin(start, k); errors.Is(err, redis.ErrUnavailable) {
		return true // on a machine that has stopped
	} else if err != nil {
		fails("%v", err)
	}

	held := o.gate.Hold(ofStore)
	defer held.End()
	slow := make(chan error, 1)
	go func() { slow <- o.first.run(o.slow, k) }()
	waits := func() bool {
		select {
		case <-held.Waits:
			return true
		case err := <-slow:
			slow <- err
			return false
		}
	}
	for range stop {
		if !waits() {
			return false
		}
		held.Pass()
	}
	if !waits() {
		return false
	}
	fast := make(chan error, 1)
	go func() { fast <- second.run(o.others, k) }()
	select {
	case err := <-fast:
		fast <- err
	case <-time.After(20 * time.Millisecond): // it waits for the first
	}
	keys := 3
	try := func(over bool) {
		made, err := takes(o.well, numbered(k, keys), o.most)
		if made {
			keys++
		}
		live := 0
		if err == nil {
			live, err = o.live(k, keys, over)
		}
		if err != nil && !errors.Is(err, redis.ErrUnavailable) || live > o.most {
			fails("%d keys are live, %v", live, err)
		}
	}
	for there := true; there; there = waits() {
		try(false)
		held.Pass()
	}
	if first, second := <-slow, <-fast; !errors.Is(first, keystore.ErrUnknownOutcome) && !errors.Is(second, keystore.ErrUnknownOutcome) {
		try(true)
	}
	return true
}

// begin makes what a schedule finds: another key that is live, and perhaps its own.
func (o *overtaking) begin(start string, k apikey.Key) error {
	if err := o.well.Create(numbered(k, 2), by); err != nil {
		return err
	}
	if start != "absent" {
		stored := k
		if start == "expired" {
			stored.ExpiresAt = by.At
		}
		if err := o.well.Create(stored, by); err != nil {
			return err
		}
	}
	if o.first.before != nil {
		return o.first.before(o.well, k)
	}
	return nil
}

// live counts the live keys of a schedule by their records. Until it is over, the
// record of a successor is there before anything is decided, and nobody has its token.
func (o *overtaking) live(k apikey.Key, keys int, over bool) (live int, err error) {
	ids := make([]apikey.ID, keys)
	for n := range ids {
		ids[n] = numbered(k, n).ID
	}
	records, err := o.well.records(ids)
	if err != nil {
		return 0, err
	}
	for n, record := range records {
		if record == nil || n == 1 && !over {
			continue
		}
		is, err := keystore.DecodeKey(ids[n], record)
		if err != nil {
			return 0, err
		}
		if is.Live(by.At) {
			live++
		}
	}
	return live, nil
}
