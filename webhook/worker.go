package webhook

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/socialpatra/keygate/keystore"
)

const (
	// stepEvery is how often a worker looks what there is to do.
	stepEvery = time.Second

	// renewEvery is how often an outbox is held on to, and asked for while another
	// holds it. Without an answer for giveUpAfter it counts as lost, before the store
	// gives it to another.
	renewEvery  = keystore.OutboxLease / 3
	giveUpAfter = keystore.OutboxLease - attemptTimeout/2

	// noteBatch is how many deliveries are noted in one step.
	noteBatch = 100

	// leaveTime is how long attempts that are under way may still take at the end.
	leaveTime = 3 * time.Second
)

// worker sends the messages of one webhook, for as long as it holds its outbox. All but
// the attempts happens in one goroutine.
type worker struct {
	*shared
	name      string
	hook      atomic.Pointer[Hook] // a reload may change secrets and events
	transport *http.Transport

	held    bool
	asked   time.Time // when the outbox was asked for or held on to last
	renewed time.Time // when it was so with success
	place   uint64
	queue   queue
	flying  map[keystore.MessageName]bool
	noting  map[keystore.MessageName]bool // delivered or dropped, and still in the outbox

	landed chan attempt
	stop   chan struct{} // closed when no more is to be sent
	done   chan struct{}

	waiting      atomic.Int64
	failingSince atomic.Int64 // Unix seconds, 0 if it does not fail
}

func newWorker(s *shared, hook *Hook) *worker {
	w := &worker{
		shared: s, name: hook.Name(), transport: newTransport(hook.URL.Scheme),
		flying: make(map[keystore.MessageName]bool), noting: make(map[keystore.MessageName]bool),
		landed: make(chan attempt, atOnce), stop: make(chan struct{}), done: make(chan struct{}),
	}
	w.hook.Store(hook)
	return w
}

// run sends until the worker is stopped. It begins after another of the same name has
// ended.
func (w *worker) run(after <-chan struct{}) {
	defer close(w.done)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if after != nil {
		<-after
	}
	tick := time.NewTicker(w.every)
	defer tick.Stop()
	for !w.stopping() {
		w.step()
		w.send(ctx)
		for stepping := false; !stepping && !w.stopping(); {
			select {
			case <-w.stop:
			case <-tick.C:
				stepping = true
			case a := <-w.landed:
				w.land(a)
				stepping = len(w.noting) >= noteBatch
				w.send(ctx)
			}
		}
	}
	w.end(cancel)
}

// end waits for attempts that are under way, notes what came of them, and leaves the
// outbox to others.
func (w *worker) end(cancel func()) {
	late := time.AfterFunc(leaveTime, cancel)
	defer late.Stop()
	for len(w.flying) > 0 {
		w.land(<-w.landed)
	}
	if w.held {
		w.note()
		if err := w.store.LeaveOutbox(w.name, w.holder); err != nil {
			w.failed("leaving the outbox", err)
		}
	}
	w.lose()
	w.transport.CloseIdleConnections()
}

// step does what there is to do with the store. Deliveries are noted here, so several
// at once: a process that is killed before sends them again under the same ID.
func (w *worker) step() {
	if !w.hold() || !w.take() {
		return
	}
	w.dropOld()
	w.note()
	w.tell()
}

// send begins the attempts that are due.
func (w *worker) send(ctx context.Context) {
	if !w.held {
		return
	}
	hook := w.hook.Load()
	for it := w.queue.next(w.now()); it != nil; it = w.queue.next(w.now()) {
		w.queue.start(it)
		w.flying[it.MessageName] = true
		m := it.Message
		go func() { w.landed <- hook.try(ctx, w.transport, &m, w.now()) }()
	}
}

// hold reports whether the outbox is ours, and does what keeps it so.
func (w *worker) hold() bool {
	now := w.now()
	due := now.Sub(w.asked) >= renewEvery || now.Before(w.asked) // the clock was set back
	switch {
	case w.held && !due:
	case w.held:
		w.asked = now
		held, err := w.store.KeepOutbox(w.name, w.holder, now)
		if err == nil && held {
			w.renewed = now
			break
		}
		if err != nil {
			w.asked = time.Time{} // the next step tries again
			w.failed("holding its outbox", err)
		}
		if err == nil || now.Sub(w.renewed) > giveUpAfter {
			w.lose()
		}
	case due:
		w.asked = now
		w.open(now)
	}
	return w.held
}

// open takes the outbox, if nobody else holds it. What is known of its messages from
// before stays.
func (w *worker) open(now time.Time) {
	box, held, err := w.store.OpenOutbox(w.name, w.holder, now)
	if err != nil {
		w.asked = time.Time{} // the next step tries again
		w.failed("opening its outbox", err)
		return
	}
	if !held {
		return
	}
	w.held, w.renewed, w.place = true, now, box.Place
	waiting := box.Messages[:0]
	for _, m := range box.Messages {
		if !w.noting[m.MessageName] {
			waiting = append(waiting, m)
		}
	}
	w.queue.set(waiting)
	for name := range w.flying {
		if i, ok := w.queue.find(name); ok {
			w.queue.items[i].flying = true
		}
	}
	for _, name := range box.Damaged {
		w.noting[name] = true
	}
	w.dropped(len(box.Damaged), "they are damaged in the store")
}

// lose forgets that the outbox is ours. Attempts under way end as they do.
func (w *worker) lose() {
	w.held = false
	w.waiting.Store(0)
	w.failingSince.Store(0)
}

// take puts what is new in the trail into the outbox. It reports whether the outbox is
// ours after it.
func (w *worker) take() bool {
	for w.held {
		entries, last, err := w.store.AuditAfter(w.place, int(importRun-(w.place+1)%importRun))
		if err != nil {
			w.failed("reading the audit trail", err)
			return true // what is in the outbox can be sent all the same
		}
		if w.place >= last {
			return true
		}
		if err := w.takeAll(entries, last); err != nil {
			return w.unchanged(err)
		}
		if w.stopping() {
			return w.held
		}
	}
	return false
}

// takeAll moves the outbox on over entries, of which the trail has more, or ends with
// last.
func (w *worker) takeAll(entries []keystore.PlacedEntry, last uint64) error {
	c := keystore.OutboxChange{From: w.place, To: last}
	if len(entries) > 0 {
		c.To = entries[len(entries)-1].Seq
	}
	hook := w.hook.Load()
	made, err := hook.messages(entries, w.keyNow)
	if err != nil {
		return err
	}
	unread := int(c.To-c.From) - len(entries) // pruned before they were taken
	for i := range entries {
		if entries[i].Damaged() {
			unread++
		}
	}
	drop := w.queue.tooMany(made, w.bound)
	dropping := make(map[keystore.MessageName]bool, len(drop))
	for _, name := range drop {
		dropping[name] = true
	}
	for _, m := range made {
		if !dropping[m.MessageName] {
			c.Put = append(c.Put, m)
		}
	}
	c.Drop = drop
	if err := w.store.ChangeOutbox(w.name, w.holder, c); err != nil {
		return err
	}
	w.place = c.To
	for _, name := range drop {
		w.queue.remove(name)
	}
	w.queue.add(c.Put)
	w.dropped(len(drop), "there are too many that wait")
	w.dropped(unread, "their entries in the audit trail were pruned or damaged")
	return nil
}

// dropOld drops what is too old.
func (w *worker) dropOld() {
	old := w.queue.tooOld(w.now())
	for _, name := range old {
		w.queue.remove(name)
		w.noting[name] = true
	}
	w.dropped(len(old), "they could not be delivered for three days")
}

// note removes from the outbox what is delivered or dropped. What cannot be removed now
// is not sent again.
func (w *worker) note() {
	for len(w.noting) > 0 {
		c := keystore.OutboxChange{From: w.place, To: w.place}
		for name := range w.noting {
			if c.Drop = append(c.Drop, name); len(c.Drop) == noteBatch {
				break
			}
		}
		if err := w.store.ChangeOutbox(w.name, w.holder, c); err != nil {
			w.unchanged(err)
			return
		}
		for _, name := range c.Drop {
			delete(w.noting, name)
		}
	}
}

// unchanged is for a change of the outbox that failed. It reports whether the outbox is
// known to be as it was. Otherwise the next step asks how it is.
func (w *worker) unchanged(err error) bool {
	lost := errors.Is(err, keystore.ErrOutboxLost)
	if !lost {
		w.failed("writing its outbox", err)
	}
	if !lost && !errors.Is(err, keystore.ErrUnknownOutcome) {
		return true
	}
	w.lose()
	if !lost {
		w.asked = time.Time{}
	}
	return false
}

// land notes what came of an attempt.
func (w *worker) land(a attempt) {
	delete(w.flying, a.name)
	it := w.queue.land(a.name)
	w.counts.of(a.outcome).Add(1)
	now := w.now()
	switch {
	case a.outcome == Delivered:
		w.queue.delivered(a.name, now)
		w.noting[a.name] = true
	case it != nil:
		w.queue.missed(it, now, a.after, a.all)
		w.log.Warn("a webhook message was not delivered; it will be tried again", zap.String("webhook", w.hook.Load().Place()),
			zap.String("event", a.name.Kind), zap.String("id", it.ID), zap.Int("tries", it.tries), zap.String("problem", a.problem))
	}
	w.tell()
}

// tell publishes what metrics and health say.
func (w *worker) tell() {
	if !w.held {
		return
	}
	w.waiting.Store(int64(len(w.queue.items)))
	since := int64(0)
	if !w.queue.failing.IsZero() {
		since = w.queue.failing.Unix()
	}
	w.failingSince.Store(since)
}

func (w *worker) dropped(n int, why string) {
	if n == 0 {
		return
	}
	w.counts.dropped.Add(int64(n))
	w.log.Error("webhook messages were dropped: "+why, zap.String("webhook", w.hook.Load().Place()), zap.Int("messages", n))
}

// failed logs what the store could not do.
func (w *worker) failed(what string, err error) {
	if w.stopping() && errors.Is(err, keystore.ErrClosed) {
		return
	}
	w.often.Error(w.log, w.now(), "the store failed a webhook in "+what+"; it will be tried again", zap.Error(err))
}

func (w *worker) stopping() bool {
	select {
	case <-w.stop:
		return true
	default:
		return false
	}
}
