package main

import (
	"errors"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// pollEvery is how often a key is looked up that is being revoked. The system
// makes it 60 to 100 µs. Looking all the time would keep the processor from those
// who have to hear of the change.
const pollEvery = 20 * time.Microsecond

// measureRevocations revokes keys on one gateway while the others have them
// cached, as many as there is time for and at most half of all in each row.
func (f *fleet) measureRevocations() error {
	half := len(f.keys) / 2
	if err := f.revokeAll(f.keys[:half], f.gateways[1:2]); err != nil {
		return err
	}
	return f.revokeAll(f.keys[half:], f.gateways[1:])
}

func (f *fleet) revokeAll(keys []apikey.Key, others []*gateway) error {
	var acknowledged, refused, late histogram
	begin := time.Now()
	for i := range keys {
		if keys[i].Disabled || !keys[i].RevokedAt.IsZero() {
			continue
		}
		if time.Since(begin) > f.each || f.ctx.Err() != nil {
			break
		}
		ack, seen, err := f.revoke(keys[i].ID, others)
		if err != nil {
			return err
		}
		acknowledged.record(ack)
		refused.record(seen)
		late.record(seen - ack)
	}
	gateways := 1 + len(others)
	f.table.addTimes("revocation, until acknowledged", gateways, &acknowledged)
	f.table.addTimes("revocation, until refused by all others", gateways, &refused)
	f.table.addTimes("revocation, refused later than acknowledged", gateways, &late)
	return f.ctx.Err()
}

var errNeverRefused = errors.New("another gateway accepts a revoked key for five seconds")

// revoke returns after how long the change was acknowledged, and after how long
// all others had refused the key once.
func (f *fleet) revoke(id apikey.ID, others []*gateway) (ack, seen time.Duration, err error) {
	for _, g := range others {
		if _, err := g.state(id); err != nil { // so that it is cached
			return 0, 0, err
		}
	}
	type answer struct {
		took time.Duration
		err  error
	}
	done := make(chan answer, 1)
	begin := time.Now()
	go func() {
		_, err := f.gateways[0].store.Update(id, "revoke", keystore.Actor{At: begin, Via: "bench"}, func(k *apikey.Key) error {
			k.RevokedAt = begin.UTC().Truncate(time.Second)
			return nil
		})
		done <- answer{time.Since(begin), err}
	}()
	for len(others) > 0 && err == nil && time.Since(begin) < 5*time.Second {
		var state apikey.State
		if state, err = others[0].state(id); state == apikey.StateRevoked {
			others = others[1:]
			continue
		}
		time.Sleep(pollEvery)
	}
	seen = time.Since(begin)
	a := <-done
	switch {
	case a.err != nil:
		err = a.err
	case err == nil && len(others) > 0:
		err = errNeverRefused
	}
	return a.took, seen, err
}
