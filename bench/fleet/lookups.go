package main

import (
	"math/rand/v2"
	"sync/atomic"

	"github.com/socialpatra/keygate/apikey"
)

// batch is how many look-ups are timed together: one takes little longer than
// reading the clock.
const batch = 1000

func (f *fleet) measureLookups() error {
	g := f.gateways[0]
	for i := range f.keys { // so that all are cached
		if _, err := g.state(f.keys[i].ID); err != nil {
			return err
		}
	}
	next := f.anyKey(0)
	for _, tt := range []struct {
		name string
		id   func() apikey.ID
	}{
		{"look-up, cached, one key", func() apikey.ID { return f.keys[0].ID }},
		{"look-up, cached, 10,000 keys", func() apikey.ID { return next().ID }},
	} {
		o, err := f.load([]step{func() (int, error) {
			for range batch {
				if _, err := g.state(tt.id()); err != nil {
					return 0, err
				}
			}
			return batch, nil
		}}, func() {})
		if err != nil {
			return err
		}
		f.table.add(tt.name, 1, 1, o)
	}
	for _, tt := range []struct{ gateways, callers int }{{1, 1}, {1, 64}, {nodes, 64}} {
		if err := f.measureCold(tt.gateways, tt.callers); err != nil {
			return err
		}
	}
	return nil
}

// measureCold reads all keys through gateways that have just started, as often
// as there is time for.
func (f *fleet) measureCold(n, callers int) error {
	var sum outcome
	for sum.took < f.each {
		o, err := f.readAll(n, callers)
		if err != nil {
			return err
		}
		sum.add(o)
	}
	f.table.add("look-up, cold", n, callers, &sum)
	return nil
}

func (f *fleet) readAll(n, callers int) (*outcome, error) {
	var fresh []*gateway
	for range n {
		g, err := openGateway(f.engine.addr)
		if err != nil {
			return nil, err
		}
		defer g.close()
		fresh = append(fresh, g)
	}
	read := make([]atomic.Int64, n)
	steps := make([]step, callers)
	for i := range steps {
		g, read := fresh[i%n], &read[i%n]
		steps[i] = func() (int, error) {
			i := read.Add(1) - 1
			if i >= keyCount {
				return 0, nil
			}
			_, err := g.state(f.keys[i].ID)
			return 1, err
		}
	}
	return f.load(steps, func() {})
}

// anyKey returns a function that draws keys in an order of the seed's.
func (f *fleet) anyKey(seed int) func() *apikey.Key {
	random := rand.New(rand.NewPCG(1, uint64(seed))) //nolint:gosec // an order, no secret
	return func() *apikey.Key { return &f.keys[random.IntN(len(f.keys))] }
}
