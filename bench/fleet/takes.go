package main

import (
	"fmt"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/ratelimit"
	"github.com/socialpatra/keygate/ratelimit/shared"
)

// plenty is more than is taken here.
const plenty = 1_000_000_000

var (
	unreached = apikey.Limits{PerMinute: plenty, Burst: plenty, PerDay: plenty}
	together  = apikey.WorkspaceLimits{PerMinute: plenty, PerDay: plenty}
)

// takes are those of one row.
type takes struct {
	name     string
	options  shared.Options
	gateways int
	callers  int  // of all gateways together
	anyKey   bool // of all keys, or of one
	together bool // whether workspaces have limits, too
	unsaved  bool // whether what keys are used for is not saved
	refused  bool
}

func (f *fleet) measureExact() error {
	for _, t := range []takes{
		{name: "take, exact, one key", gateways: 1, callers: 1},
		{name: "take, exact, one key", gateways: 1, callers: 64},
		{name: "take, exact, one key", gateways: nodes, callers: 64},
		{name: "take, exact, 10,000 keys", gateways: 1, callers: 1, anyKey: true},
		{name: "take, exact, 10,000 keys", gateways: 1, callers: 64, anyKey: true},
		{name: "take, exact, 10,000 keys", gateways: nodes, callers: 64, anyKey: true},
		{name: "take, exact, 10,000 keys, use not saved", gateways: nodes, callers: 64, anyKey: true, unsaved: true},
		{name: "take, exact, 10,000 keys, workspaces limited", gateways: 1, callers: 64, anyKey: true, together: true},
		{name: "take, exact, 10,000 keys, workspaces limited", gateways: nodes, callers: 64, anyKey: true, together: true},
	} {
		if err := f.measureTakes(&t); err != nil {
			return err
		}
	}
	return nil
}

func (f *fleet) measureLeased() error {
	for _, size := range []int{10, 100, 500} {
		for _, n := range []int{1, nodes} {
			if err := f.measureTakes(&takes{
				name:    fmt.Sprintf("take, leased, batch %d, one key", size),
				options: shared.Options{Mode: shared.Leased, Batch: size}, gateways: n, callers: 64,
			}); err != nil {
				return err
			}
		}
	}
	return f.measureTakes(&takes{
		name:    "take, leased, batch 100, 10,000 keys",
		options: shared.Options{Mode: shared.Leased}, gateways: nodes, callers: 64, anyKey: true,
	})
}

func (f *fleet) measureRefusals() error {
	return f.measureTakes(&takes{name: "refusal from memory", gateways: 1, callers: 1, refused: true})
}

func (f *fleet) measureTakes(t *takes) error {
	limits := unreached
	if t.refused {
		limits = apikey.Limits{PerMinute: 1, Burst: 1, PerDay: 1}
	}
	list, stop := f.limiters(t.gateways, t.options, t.unsaved)
	if t.refused { // once there is nothing left
		if _, err := list[0].Take(f.keys[0].ID, caps(&f.keys[0], limits, t.together), 1, time.Now()); err != nil {
			stop()
			return err
		}
	}
	steps := make([]step, t.callers)
	for i := range steps {
		limiter, next := list[i%len(list)], f.anyKey(i)
		steps[i] = func() (int, error) {
			k := &f.keys[0]
			if t.anyKey {
				k = next()
			}
			r, err := limiter.Take(k.ID, caps(k, limits, t.together), 1, time.Now())
			if err == nil && r.Allowed == t.refused {
				err = fmt.Errorf("%s: key %s: allowed %v", t.name, k.ID, r.Allowed)
			}
			return 1, err
		}
	}
	o, err := f.load(steps, stop) // the last use is saved as well
	if err != nil {
		return err
	}
	f.table.add(t.name, t.gateways, t.callers, o)
	return nil
}

func caps(k *apikey.Key, limits apikey.Limits, limited bool) ratelimit.Caps {
	c := ratelimit.Caps{Limits: limits, Workspace: k.Workspace}
	if limited {
		c.WorkspaceLimits = together
	}
	return c
}
