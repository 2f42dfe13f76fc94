package expiry

import "time"

// A check begins checkEvery after the last one has ended, and retryAfter if that
// failed. If checks take long, the pause is checkShare times as long as the last check
// took, but at most checkWithin for that reason.
const (
	checkEvery  = 5 * time.Second
	checkShare  = 100
	checkWithin = time.Minute
	retryAfter  = 15 * time.Second
)

// Runner checks for as long as a gateway runs.
type Runner struct {
	stop chan struct{}
	done chan struct{}
}

// Start begins to check. Pause is set. active says whether this process is the one
// to announce at the moment; failed is told why a check was not complete.
func Start(o Options, active func() bool, failed func(error)) *Runner {
	return startEvery(checkEvery, o, active, failed)
}

func startEvery(every time.Duration, o Options, active func() bool, failed func(error)) *Runner {
	r := &Runner{make(chan struct{}), make(chan struct{})}
	o.Pause = r.pause
	a := New(o)
	go func() {
		defer close(r.done)
		for wait := every; r.pause(wait); {
			began := time.Now()
			wait = every
			if active() {
				if err := a.Check(); err != nil {
					failed(err)
					wait = retryAfter
				}
			}
			wait = max(wait, min(checkShare*time.Since(began), checkWithin))
		}
	}()
	return r
}

// pause waits, and reports whether it goes on after that.
func (r *Runner) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-r.stop:
		return false
	case <-timer.C:
		return true
	}
}

// Stop ends the checks. It waits until a warning that is being announced is, but for
// no longer than patience: whoever listens to warnings may wait for Stop.
func (r *Runner) Stop(patience time.Duration) {
	close(r.stop)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-r.done:
	case <-timer.C:
	}
}
