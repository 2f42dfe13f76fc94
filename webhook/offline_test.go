package webhook

import (
	"net/http"
	"testing"
	"time"

	"github.com/socialpatra/keygate/keystore"
)

// What happens while nothing runs is told at the next start, within the bounds of
// number and age. What is beyond them is counted, and not sent.
func TestWhileNothingRuns(t *testing.T) {
	c := &clock{at: start}
	w, r := newWorld(t, c), newReceiver(t, c)
	w.bound = 10
	w.serve(r.hook(t))
	w.end()
	w.create()
	c.add(maxAge + time.Hour)
	for range 30 {
		w.create()
	}
	w.serve(r.hook(t))
	w.idle(r.hook(t))
	_, taken := r.deliveries()
	w.wantOnce(r, 10)
	for _, d := range taken {
		if d.event.Data.Key <= "000000000021" {
			t.Errorf("key %s was told, which was not to be", d.event.Data.Key)
		}
	}
	if n := w.counts.Dropped(); n != 21 {
		t.Errorf("%d were dropped, want 21", n)
	}
	w.end()
	w.create()
	c.add(maxAge + time.Hour)
	w.create()
	w.serve(r.hook(t))
	w.idle(r.hook(t))
	if n := w.counts.Dropped(); n != 22 {
		t.Errorf("%d were dropped, want 22: one more is too old", n)
	}
	w.wantOnce(r, 11)
}

// What was delivered and could not be noted, because the store took no change, is not
// sent again by the same process, also if it had to open the outbox anew.
func TestDeliveredButNotNoted(t *testing.T) {
	c := &clock{at: start}
	w, r := newWorld(t, c), newReceiver(t, c)
	reached := make(chan bool)
	r.answers(func(http.ResponseWriter, *http.Request, delivery) { reached <- true })
	w.serve(r.hook(t))
	w.create()
	store := w.s.store.(*mortal)
	<-reached
	store.dead.Store(true)
	until(t, "it is delivered", func() bool { return w.counts.Attempts(Delivered) == 1 })
	store.loses.Store(true)
	until(t, "the outbox is lost", func() bool { return !store.loses.Load() })
	store.dead.Store(false)
	r.answers(nil)
	w.advance("all is noted", time.Second, func() bool { return w.isIdle(r.hook(t)) })
	w.wantOnce(r, 1)
}

// Runs of an import end where those of any other process do, so that the IDs are the
// same.
func TestRunsOfImport(t *testing.T) {
	var entries []keystore.PlacedEntry
	for seq := uint64(importRun - 2); seq < importRun+3; seq++ {
		entries = append(entries, keystore.PlacedEntry{AuditEntry: keystore.AuditEntry{Seq: seq, At: start, Action: "import"}})
	}
	if n := runOf(entries); n != 2 {
		t.Errorf("a run of %d goes on over the bound", n)
	}
	entries[1].By = "bob"
	if n := runOf(entries); n != 1 {
		t.Errorf("a run of %d is of two imports", n)
	}
	entries[0].Action = "create"
	if n := runOf(entries); n != 1 {
		t.Errorf("%d creations in one message", n)
	}
}
