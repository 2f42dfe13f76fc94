package webhook

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/logthrottle"
	"github.com/socialpatra/keygate/keystore"
)

// Store is what is needed of a key store.
type Store interface {
	keystore.Outboxes
	Get(id apikey.ID) (apikey.Key, error)
}

const (
	// maxWaiting is how many messages wait for one webhook at most.
	maxWaiting = 10_000

	forgetEvery = time.Hour // how often outboxes are looked for that nobody wants
	failingLong = time.Hour // after which health warns
)

// shared is what the workers of a store have in common.
type shared struct {
	store  Store
	log    *zap.Logger
	now    func() time.Time
	counts *Counts
	holder string        // this process
	every  time.Duration // see stepEvery
	bound  int           // see maxWaiting
	often  logthrottle.Throttle
}

// keyNow returns a key as it is now, and whether there is one that can be read.
func (s *shared) keyNow(id apikey.ID) (apikey.Key, bool, error) {
	k, err := s.store.Get(id)
	if errors.Is(err, keystore.ErrUnavailable) || errors.Is(err, keystore.ErrClosed) {
		return k, false, err
	}
	return k, err == nil, nil // a damaged one holds up nothing
}

// Senders send for the webhooks of one store. Close them before the store.
type Senders struct {
	shared

	mu      sync.Mutex
	serving []served           // by owner; the last one counts
	workers map[string]*worker // by name, those that run and were not told to stop
	ending  map[string]<-chan struct{}
	closed  bool

	stop    chan struct{}
	stopped sync.WaitGroup
}

// served are the webhooks of one config.
type served struct {
	owner any
	hooks []Hook
}

// NewSenders returns senders without a webhook. now is the clock that decides when
// messages are tried and dropped.
func NewSenders(store Store, log *zap.Logger, now func() time.Time, counts *Counts) *Senders {
	return newSenders(store, log, now, counts, stepEvery, maxWaiting)
}

func newSenders(store Store, log *zap.Logger, now func() time.Time, counts *Counts, every time.Duration, bound int) *Senders {
	s := &Senders{
		shared:  shared{store: store, log: log, now: now, counts: counts, holder: rand.Text(), every: every, bound: bound},
		workers: make(map[string]*worker), ending: make(map[string]<-chan struct{}), stop: make(chan struct{}),
	}
	s.stopped.Go(s.keepForgetting)
	return s
}

// Serve puts the webhooks of a config in force, in place of those of others. What is in
// an outbox stays there, and what both configs have goes on.
func (s *Senders) Serve(owner any, hooks []Hook) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serving = append(s.serving, served{owner, hooks})
	s.apply()
}

// Leave removes the webhooks of a config. If others are left, those of the last of them
// are in force again, as after a config that failed to start. The webhooks of the only
// config go on until Close.
func (s *Senders) Leave(owner any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.serving)
	s.serving = slices.DeleteFunc(s.serving, func(v served) bool { return v.owner == owner })
	if len(s.serving) < n && len(s.serving) > 0 { // the last one ends with its store
		s.apply()
	}
}

// apply makes the workers those of the last config.
func (s *Senders) apply() {
	if s.closed {
		return
	}
	wanted := make(map[string]bool)
	hooks := s.serving[len(s.serving)-1].hooks
	for i := range hooks {
		name := hooks[i].Name()
		wanted[name] = true
		if w := s.workers[name]; w != nil {
			w.hook.Store(&hooks[i])
			continue
		}
		w := newWorker(&s.shared, &hooks[i])
		after := s.ending[name]
		if s.workers[name] = w; after == nil {
			w.hold() // before the config is in force, so that a new outbox misses nothing after it
		}
		s.stopped.Go(func() { w.run(after) })
	}
	for name, w := range s.workers {
		if !wanted[name] {
			close(w.stop)
			s.ending[name] = w.done
			delete(s.workers, name)
		}
	}
}

// Close ends all, after attempts that are under way, or a few seconds.
func (s *Senders) Close() {
	s.mu.Lock()
	s.closed = true
	for _, w := range s.workers {
		close(w.stop)
	}
	close(s.stop)
	s.mu.Unlock()
	s.stopped.Wait()
}

// Waiting returns how many messages wait to be delivered by this process.
func (s *Senders) Waiting() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := int64(0)
	for _, w := range s.workers {
		n += w.waiting.Load()
	}
	return n
}

// Failing returns, for each webhook that has taken nothing for an hour, what is so.
func (s *Senders) Failing() (problems []error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.workers {
		since := time.Unix(w.failingSince.Load(), 0)
		if since.Unix() != 0 && s.now().Sub(since) >= failingLong {
			problems = append(problems, fmt.Errorf("the webhook to %s has taken no message since %s; %d wait",
				w.hook.Load().Place(), since.UTC().Format(time.RFC3339), w.waiting.Load()))
		}
	}
	return problems
}

// keepForgetting drops the outboxes that no config has had for as long as a message is
// kept.
func (s *Senders) keepForgetting() {
	tick := time.NewTicker(forgetEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
			s.forget()
		}
	}
}

func (s *Senders) forget() {
	n, err := s.store.ForgetOutboxes(s.now().Add(-maxAge))
	if err != nil {
		s.often.Error(s.log, s.now(), "outboxes that nobody wants could not be dropped; trying again in an hour", zap.Error(err))
	}
	if n > 0 {
		s.counts.dropped.Add(int64(n))
		s.log.Error("webhook messages were dropped: no config has their webhook any more", zap.Int("messages", n))
	}
}
