package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

const box, holder = "box", "me"

func openBox(t *testing.T, s keystore.Store, at time.Time) keystore.Outbox {
	t.Helper()
	got, held, err := s.OpenOutbox(box, holder, at)
	if err != nil || !held {
		t.Fatalf("open the outbox: %t, %v", held, err)
	}
	return got
}

func message(seq uint64, kind string) keystore.Message {
	return keystore.Message{
		MessageName: keystore.MessageName{Seq: seq, Kind: kind}, ID: fmt.Sprintf("msg_%d%s", seq, kind),
		At: now.Add(time.Duration(seq)), Body: []byte(`{"type":"` + kind + `"}`),
	}
}

// wantBox fails unless the outbox is so for whoever opens it.
func wantBox(t *testing.T, s keystore.Store, want keystore.Outbox) {
	t.Helper()
	if got := openBox(t, s, now); !reflect.DeepEqual(got, want) {
		t.Errorf("the outbox is\n%+v\nwant\n%+v", got, want)
	}
}

func changeBox(t *testing.T, s keystore.Store, c keystore.OutboxChange, want error) {
	t.Helper()
	if err := s.ChangeOutbox(box, holder, c); !errors.Is(err, want) {
		t.Errorf("change of the outbox from %d to %d: %v; want %v", c.From, c.To, err, want)
	}
}

// testOutbox holds that an outbox begins at the end of the trail, changes as a whole or
// not at all, and outlives a start.
func testOutbox(t *testing.T, f Factory) {
	s := f.New(t)
	create(t, s, newKey(t, 1), newKey(t, 2))
	changeBox(t, s, keystore.OutboxChange{To: 1}, keystore.ErrOutboxLost) // there is none yet
	if held, err := s.KeepOutbox(box, holder, now); held || err != nil {
		t.Errorf("an outbox that nobody opened is held: %t, %v", held, err)
	}
	wantBox(t, s, keystore.Outbox{Place: 2})
	create(t, s, newKey(t, 3))
	wantBox(t, s, keystore.Outbox{Place: 2})
	first, second, tenth := message(3, "key.created"), message(3, "key.leaked"), message(10, "key.created")
	changeBox(t, s, keystore.OutboxChange{From: 2, To: 3, Put: []keystore.Message{tenth, second, first}}, nil)
	changeBox(t, s, keystore.OutboxChange{From: 2, To: 4, Put: []keystore.Message{message(4, "x")}}, keystore.ErrOutboxLost)
	want := keystore.Outbox{Place: 3, Messages: []keystore.Message{first, second, tenth}}
	wantBox(t, s, want)
	s = f.Reopen(t, s)
	wantBox(t, s, want)
	changeBox(t, s, keystore.OutboxChange{From: 3, To: 3, Drop: []keystore.MessageName{second.MessageName, {Seq: 77, Kind: "never"}}}, nil)
	want.Messages = []keystore.Message{first, tenth}
	wantBox(t, s, want)
	if held, err := s.KeepOutbox(box, holder, now.Add(2*time.Hour)); !held || err != nil {
		t.Errorf("the outbox is no longer held: %t, %v", held, err)
	}
	wantSound(t, s, 3)
	if err := s.LeaveOutbox(box, holder); err != nil {
		t.Error(err)
	}
}

// testAuditAfter holds that the trail can be read from its beginning on, with the
// workspaces of keys that are gone too.
func testAuditAfter(t *testing.T, f Factory) {
	s := f.New(t)
	if entries, last, err := s.AuditAfter(0, 10); len(entries) > 0 || last != 0 || err != nil {
		t.Errorf("of an empty trail: %+v, %d, %v", entries, last, err)
	}
	other := newKey(t, 2)
	other.Workspace = "umbrella"
	create(t, s, newKey(t, 1), other)
	update(t, s, keyID(2), "revoke", revoke)
	if err := s.Delete(keyID(2), by, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.SetWorkspaceLimits("third", &apikey.WorkspaceLimits{PerDay: 1}, by); err != nil {
		t.Fatal(err)
	}
	page, err := s.Audit(keystore.AuditQuery{})
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(page.Entries)
	of := []string{"acme", "umbrella", "umbrella", "umbrella", "third"}
	for limit := 1; limit <= len(of)+1; limit++ {
		var got []keystore.PlacedEntry
		for seq := uint64(0); seq < 5; seq = got[len(got)-1].Seq {
			some, last, err := s.AuditAfter(seq, limit)
			if err != nil || last != 5 || len(some) == 0 || len(some) > limit {
				t.Fatalf("after %d: %d entries of %d, %v", seq, len(some), last, err)
			}
			got = append(got, some...)
		}
		for i, e := range got {
			if !reflect.DeepEqual(e.AuditEntry, page.Entries[i]) || e.Of != of[i] {
				t.Errorf("entry %d is %+v of %q, want %+v of %q", i, e.AuditEntry, e.Of, page.Entries[i], of[i])
			}
		}
	}
	if err := s.Prune(0, now.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	late := by
	late.At = now.Add(time.Hour)
	if err := s.Create(newKey(t, 3), late); err != nil {
		t.Fatal(err)
	}
	if got, last, err := s.AuditAfter(2, 10); len(got) != 1 || got[0].Seq != 6 || last != 6 || err != nil {
		t.Errorf("after what was pruned: %+v, %d, %v", got, last, err)
	}
}

// testAuditAfterDamaged holds that what cannot be read is there, and said to be so.
func testAuditAfterDamaged(t *testing.T, f Factory) {
	s := f.New(t)
	create(t, s, newKey(t, 1))
	s = f.Tamper(t, s, Tampering{Audit: []keystore.AuditEntry{{Seq: 2, Action: "(damaged entry)"}}})
	got, last, err := s.AuditAfter(0, 10)
	if err != nil || len(got) != 2 || last < 1 || got[0].Damaged() || !got[1].Damaged() {
		t.Errorf("%+v, %d, %v", got, last, err)
	}
}

// testOutboxBackup holds that a backup has the outboxes.
func testOutboxBackup(t *testing.T, f Factory) {
	s := f.New(t)
	create(t, s, newKey(t, 1))
	openBox(t, s, now)
	create(t, s, newKey(t, 2))
	m := message(2, "key.created")
	changeBox(t, s, keystore.OutboxChange{From: 1, To: 2, Put: []keystore.Message{m}}, nil)
	var backup bytes.Buffer
	if err := s.Backup(&backup); err != nil {
		t.Fatal(err)
	}
	restored := f.Restore(t, &backup)
	wantBox(t, restored, keystore.Outbox{Place: 2, Messages: []keystore.Message{m}})
	wantSound(t, restored, 2)
}

// testForgetOutboxes holds that those are removed that nobody wants, and no others.
func testForgetOutboxes(t *testing.T, f Factory) {
	s := f.New(t)
	create(t, s, newKey(t, 1))
	for i, name := range []string{"a", "ab", "b"} {
		if _, held, err := s.OpenOutbox(name, holder, now.Add(time.Duration(i)*time.Hour)); !held || err != nil {
			t.Fatal(held, err)
		}
		put := keystore.OutboxChange{From: 1, To: 1, Put: []keystore.Message{message(1, "x"), message(1, "y")}}
		if err := s.ChangeOutbox(name, holder, put); err != nil {
			t.Fatal(err)
		}
	}
	if held, err := s.KeepOutbox("a", holder, now.Add(2*time.Hour)); !held || err != nil {
		t.Fatal(held, err)
	}
	for _, want := range []int{2, 0} {
		if n, err := s.ForgetOutboxes(now.Add(90 * time.Minute)); n != want || err != nil {
			t.Errorf("%d messages were forgotten, %v; want %d", n, err, want)
		}
	}
	for name, want := range map[string]int{"a": 2, "ab": 0, "b": 2} {
		if got, held, err := s.OpenOutbox(name, holder, now); len(got.Messages) != want || !held || err != nil {
			t.Errorf("%s has %d messages, %t, %v; want %d", name, len(got.Messages), held, err, want)
		}
	}
	wantSound(t, s, 1)
}

// testOutboxWhileChanging holds that whoever takes entries while others are made takes
// each once and in order, also if several take at once.
func testOutboxWhileChanging(t *testing.T, f Factory) {
	s := f.New(t)
	openBox(t, s, now)
	const writers, each = 4, 15
	var writing, taking sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for i := range each {
				k := newKey(t, w*each+i)
				if err := s.Create(k, by); err != nil {
					t.Error(err)
				}
			}
		})
	}
	var mu sync.Mutex
	var taken []uint64
	for range 2 {
		taking.Go(func() {
			for {
				got, held, err := s.OpenOutbox(box, holder, now)
				if err != nil || !held || got.Place == writers*each {
					return
				}
				entries, _, err := s.AuditAfter(got.Place, 7)
				if err != nil || len(entries) == 0 {
					continue
				}
				c := keystore.OutboxChange{From: got.Place, To: entries[len(entries)-1].Seq}
				mu.Lock()
				if s.ChangeOutbox(box, holder, c) == nil {
					for _, e := range entries {
						taken = append(taken, e.Seq)
					}
				}
				mu.Unlock()
			}
		})
	}
	writing.Wait()
	taking.Wait()
	if len(taken) != writers*each {
		t.Fatalf("%d entries were taken of %d", len(taken), writers*each)
	}
	for i, seq := range taken {
		if seq != uint64(i+1) {
			t.Fatalf("entry %d was taken in place %d", seq, i+1)
		}
	}
}
