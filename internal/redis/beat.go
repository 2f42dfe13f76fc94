package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// A heartbeat is a write to each master, on the connection that also carries
// invalidations. Its answer proves that all earlier invalidations have arrived, and
// that the master may still write. A master that was replaced, and does not know
// it yet, answers reads for as long as it lives. With min-replicas-to-write it
// refuses writes.

func (t *Tracking) beatUntil(ctx context.Context) {
	ticker := time.NewTicker(t.conn.config.Heartbeat)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-t.again:
		}
		_ = t.beatOnce(ctx) // it is in conn.away
	}
}

// beatOnce sends one heartbeat and waits for its answers, at most for as long
// as until the next is due. Where the connection breaks it is sent again: that
// there is a new one tells nothing of the engine.
func (t *Tracking) beatOnce(ctx context.Context) error {
	due, cancel := context.WithTimeout(ctx, t.conn.config.Heartbeat)
	defer cancel()
	err := t.sendBeat(due)
	for errors.Is(err, ErrUncertain) && pause(due, beatPause) {
		err = t.sendBeat(due)
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		// What fails because of this has not been sent, whatever became of the heartbeat.
		err = fmt.Errorf("%w: no heartbeat: %s", ErrUnavailable, strings.TrimPrefix(err.Error(), ErrUnavailable.Error()+": "))
		t.conn.away.Store(&err)
		select { // the attempt to connect has asked for this heartbeat again
		case <-t.again:
		default:
		}
		if g := t.generation.Load(); g.proof.Load() != never {
			t.generation.Store(newGeneration()) // the next heartbeat is due in time
		}
	default:
		t.conn.away.Store(nil)
	}
	return err
}

// beatPause is what lies between two attempts of one heartbeat.
const beatPause = 5 * time.Millisecond

// pause reports false where the context ends before it is over.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func (t *Tracking) sendBeat(ctx context.Context) error {
	if err := t.refreshSlots(ctx); err != nil {
		return err
	}
	var cmds []rueidis.Completed
	for _, key := range t.slots.keys {
		cmds = append(cmds, t.client.B().Set().Key(key).Value("").Build())
	}
	written := len(cmds)
	cmds = append(cmds, t.beat.Ask(t.client.B())...)
	generation, sent := t.generation.Load(), time.Since(t.start)
	replies := make([]Reply, len(cmds))
	for i, result := range t.client.DoMulti(ctx, cmds...) {
		replies[i].RedisMessage, replies[i].Err = t.conn.message(result)
		if replies[i].Err != nil {
			return replies[i].Err
		}
	}
	if err := t.conn.reach(ctx, t.slots.keys); err != nil {
		return err
	}
	if err := t.beat.Heard(replies[written:]); err != nil {
		return err
	}
	generation.prove(sent)
	return nil
}

// reach asks each master of a Cluster that was away with the client of all other
// calls: it has its own idea of who has which slots, and learns only by asking.
func (c *Conn) reach(ctx context.Context, keys []string) error {
	if !c.Cluster() || c.Away() == nil {
		return nil
	}
	var cmds []rueidis.Completed
	for _, key := range keys {
		cmds = append(cmds, c.client.B().Exists().Key(key).Build())
	}
	for _, result := range c.client.DoMulti(ctx, cmds...) {
		if _, err := c.message(result); err != nil {
			return err
		}
	}
	return nil
}
