package apikey

import "time"

// Soon is how long before its expiry a key counts as one that expires soon: the
// longest of [Warnings].
const Soon = 30 * day

const day = 24 * time.Hour

// Warnings returns how many days of 24 hours before its expiry a key is announced to
// expire soon. The day closest to the expiry comes first.
func Warnings() [4]uint8 { return [4]uint8{1, 7, 14, 30} }

// Warning returns which of [Warnings] is due for a key at the instant now, or 0 for
// none. If several are due, it is the last one: the others are out of date. One that
// had passed when the key was made is never due.
func (k *Key) Warning(now time.Time) uint8 {
	if k.ExpiresAt.IsZero() || !k.Live(now) {
		return 0
	}
	for _, days := range Warnings() {
		at := k.ExpiresAt.Add(-time.Duration(days) * day)
		if now.Before(at) {
			continue
		}
		if !at.After(k.CreatedAt) || k.Warned != 0 && k.Warned <= days {
			return 0
		}
		return days
	}
	return 0
}

// ExpiresSoon returns when a key expires, in Unix seconds, if that is within [Soon]
// from the instant now. Otherwise it returns 0.
func (g *Grant) ExpiresSoon(now time.Time) int64 {
	if at := now.UnixNano(); g.ExpiresAt == 0 || g.ExpiresAt <= at || g.ExpiresAt-at > int64(Soon) {
		return 0
	}
	return g.ExpiresAt / int64(time.Second)
}
