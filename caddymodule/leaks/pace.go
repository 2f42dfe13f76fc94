package leaks

import (
	"context"
	"time"
)

// dueEvery is how long after a token came it is answered. Ending a key takes a
// write to the disk, or a trip to the engine and its replicas; looking for one
// takes none of these. So the answer waits for longer than either takes. If the
// store is slower than that, the answer comes at the next multiple.
const dueEvery = 250 * time.Millisecond

// Requests that wait take memory, and anybody can send some. So there is a bound
// to them: on those that wait for their answer, and on those that were answered
// at once because too many waited, and are dealt with after that.
var (
	places  = make(chan struct{}, 1000)
	pending = make(chan struct{}, 1000)
)

// untilDue returns how long an answer that has taken so long waits further.
func untilDue(taken time.Duration) time.Duration {
	if taken < 0 {
		return dueEvery
	}
	return dueEvery - taken%dueEvery
}

// pause waits, unless the client has gone.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
