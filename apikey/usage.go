package apikey

import "time"

// Usage is the use of one key on one UTC day. Counts are totals of that day,
// never differences, so that saving the same Usage twice changes nothing.
type Usage struct {
	ID  ID
	Day Day

	// Charged is the units charged to the day's quota; a route with a cost charges
	// more than one. If several keys are on an account, the account's key has the
	// units of all of them, and the other keys have none. In a fleet each key has its
	// own.
	Charged uint64

	Allowed uint64 // requests that passed
	Limited uint64 // requests refused by a limit
	Denied  uint64 // requests refused after authentication for any other reason

	// LastUsed is when the key last authenticated a request on that day, in Unix
	// seconds, rounded down to the minute. 0 means not on that day.
	LastUsed int64

	// Seen is what was seen of the use besides, nil if nothing new. It goes on to
	// the store once, and no store returns it here, see [Seen].
	Seen *Sighting
}

// Counts reports whether there is a count or a time to save, besides what was seen.
func (u *Usage) Counts() bool {
	return u.Charged|u.Allowed|u.Limited|u.Denied != 0 || u.LastUsed != 0
}

// Day is a UTC day, counted from 1970-01-01.
type Day int32

const secondsPerDay = 24 * 60 * 60

// DayOf returns the UTC day that t falls on.
func DayOf(t time.Time) Day {
	s := t.Unix()
	if s < 0 {
		s -= secondsPerDay - 1 // round towards the past, not towards zero
	}
	return Day(s / secondsPerDay)
}

// Start returns the first instant of the day.
func (d Day) Start() time.Time { return time.Unix(int64(d)*secondsPerDay, 0).UTC() }

// String returns the day as 2006-01-02.
func (d Day) String() string { return d.Start().Format(time.DateOnly) }

// Bucket is the state of a minute bucket at an instant. It is saved to survive a
// restart. Exactly one of ID and Workspace is set.
type Bucket struct {
	ID        ID
	Workspace string

	// Tokens is what the bucket held at At. It may be below zero by less than
	// what one nanosecond refills, if a token was granted that was due within
	// that time.
	Tokens float64

	PerMinute, Burst uint32 // the limits of the bucket
	At               time.Time
}
