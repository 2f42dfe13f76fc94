package doctor

import (
	"time"
)

const (
	setClock = "timedatectl; systemctl restart systemd-timesyncd"

	// What may differ: times of a store are rounded to the minute, a date on the
	// wire to the second.
	storeSlack = time.Minute
	dateSlack  = 5 * time.Second
)

// checkClock compares the clock of this machine with what was written by it, with
// that of the gateway and, in a fleet, with the engine's.
func checkClock(f *Facts) lines {
	var found lines
	compared := ""
	if f.Admin.Answers {
		compared = "the clocks of this machine and of the gateway agree"
		if d := f.Admin.Date; d.Abs() > dateSlack {
			found.fail(setClock, "the gateway's clock is %s this machine's", apart(d))
		}
	}
	if f.Admin.Skewed {
		compared += ", and the engine's"
		if d := f.Admin.Away; d.Abs() > dateSlack {
			found.fail(setClock, "the gateway's clock is %s the engine's, and keys expire by the gateway's", apart(d))
		}
	}
	newest := f.Admin.Newest
	if !f.Elsewhere && f.Store.Changed.After(newest) {
		newest = f.Store.Changed
	}
	if !newest.IsZero() {
		if compared != "" {
			compared += "; "
		}
		compared += "nothing in the store is from the future"
		if ahead := newest.Sub(f.Now); ahead > storeSlack {
			found.fail(setClock+"; then see \"The clock is wrong\" in docs/operators.md", "the store has a time that is %s ahead: the clock is behind now, or it was ahead then", ahead.Round(time.Second))
		}
	}
	switch {
	case f.Admin.Untimed != "":
		return append(found, skipped("see health", "the times in the store could not be read: %s", f.Admin.Untimed)...)
	case f.Fleet && f.Admin.Answers && !f.Admin.Skewed:
		return append(found, skipped("look at caddy_keygate_clock_skew_seconds, in the metrics of the gateway", "the engine's clock is not known")...)
	case len(found) > 0:
		return found
	case compared == "":
		return skipped("see socket", "there is no time to compare the clock with")
	}
	return ok("%s", compared)
}

func apart(d time.Duration) string {
	if d > 0 {
		return d.Round(time.Second).String() + " ahead of"
	}
	return d.Abs().Round(time.Second).String() + " behind"
}
