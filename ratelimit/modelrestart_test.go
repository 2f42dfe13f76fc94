package ratelimit_test

import (
	"fmt"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/ratelimit"
)

// save drains into the store, which never lowers a total.
func (w *world) save() {
	keys, workspaces := w.l.Drain(nil, nil)
	for _, u := range keys {
		id := u.ID
		u.ID = apikey.ID{}
		larger(w.stored[id], u)
	}
	for _, u := range workspaces {
		if u.Charged >= w.storedWorkspace[u.Day].Charged {
			w.storedWorkspace[u.Day] = u
		}
	}
	for _, m := range w.models() {
		m.drained()
	}
}

// saved compares the store with the models.
func (w *world) saved() error {
	for id, m := range w.keys {
		if len(m.saved) != len(w.stored[id]) {
			return fmt.Errorf("%s: %d days are stored, want %d", id, len(w.stored[id]), len(m.saved))
		}
		for d, want := range m.saved {
			if got := w.stored[id][d]; got != want && (!w.back || got.Charged != want.Charged) {
				return fmt.Errorf("%s on %s: saved %+v, want %+v", id, d, got, want)
			}
		}
	}
	for d, want := range w.workspace.saved {
		if got := w.storedWorkspace[d]; got.Charged != want.Charged {
			return fmt.Errorf("workspace on %s: saved %+v, want %+v", d, got, want)
		}
	}
	return nil
}

// restart stops and starts again, with or without a step of the clock between.
func (w *world) restart() error {
	w.save()
	if err := w.saved(); err != nil {
		return err
	}
	buckets := w.l.Buckets(w.now)
	for _, id := range w.ids {
		if err := w.keys[id].stopped(find(buckets, id, ""), w.now); err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
	}
	if err := w.workspace.stopped(find(buckets, apikey.ID{}, acme), w.now); err != nil {
		return fmt.Errorf("workspace: %w", err)
	}
	w.now = w.now.Add(pick(w.rng, modelForward))
	if w.back && w.rng.IntN(2) == 0 {
		w.now = w.now.Add(-pick(w.rng, modelBack))
	}
	w.start(buckets, true)
	return nil
}

func (w *world) crash() {
	for d, u := range w.workspace.use {
		w.lost[d] += u.Charged - min(u.Charged, w.workspace.saved[d].Charged)
	}
	w.start(nil, false)
}

func (w *world) start(buckets []apikey.Bucket, stopped bool) {
	w.l = ratelimit.New()
	bucketsFirst := w.rng.IntN(2) == 0
	restore := func() {
		for _, b := range buckets {
			w.l.RestoreBucket(b, w.now)
		}
	}
	if bucketsFirst {
		restore()
	}
	today := apikey.DayOf(w.now)
	for id, days := range w.stored {
		for d, u := range days {
			if u.ID = id; d >= today {
				w.l.Restore(u)
			}
		}
	}
	for d, u := range w.storedWorkspace {
		if d >= today {
			w.l.RestoreWorkspace(u)
		}
	}
	if !bucketsFirst {
		restore()
	}
	w.l.Sweep(w.now)
	for _, m := range w.models() {
		m.started(stopped, w.now)
	}
}

func find(buckets []apikey.Bucket, id apikey.ID, workspace string) *apikey.Bucket {
	for i := range buckets {
		if buckets[i].ID == id && buckets[i].Workspace == workspace {
			return &buckets[i]
		}
	}
	return nil
}
