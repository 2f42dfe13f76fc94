package caddymodule

import (
	"errors"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// pruneRecorder tells what it is asked to prune.
type pruneRecorder struct {
	keystore.Store
	pruned chan [2]time.Time
	err    error
}

func (p *pruneRecorder) Prune(day apikey.Day, before time.Time) error {
	p.pruned <- [2]time.Time{day.Start(), before}
	return p.err
}

func (p *pruneRecorder) Close() error { return nil }

func TestEnginePrunes(t *testing.T) {
	store := &pruneRecorder{pruned: make(chan [2]time.Time, 1), err: errors.New("not now")} // which does not end it
	e := &openStore{store: store, logger: zap.NewNop(), now: time.Now, retained: make(chan struct{}, 1), stop: make(chan struct{})}
	e.prune(testStart) // before any config has started: nothing
	e.stopped.Go(e.keepPruning)
	for _, d := range []time.Duration{defaultRetention, minRetention, minRetention} {
		before := time.Now()
		changed := e.retention.Load() != int64(d)
		e.retain(d)
		if !changed {
			if len(e.retained) != 0 {
				t.Error("the same retention again prunes")
			}
			continue
		}
		got := <-store.pruned
		if got[1].Before(before.Add(-d)) || got[1].After(time.Now().Add(-d)) {
			t.Errorf("audit before %s, retention %s", got[1], d)
		}
		if age := apikey.DayOf(before) - apikey.DayOf(got[0]); age < keystore.UsageDays-1 || age > keystore.UsageDays {
			t.Errorf("use older than %d days", age)
		}
	}
	close(e.stop)
	e.stopped.Wait()
}
