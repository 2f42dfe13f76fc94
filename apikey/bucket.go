package apikey

import "time"

// Bucket is the state of a minute bucket at an instant, for carrying it over a
// restart. Exactly one of ID and Workspace is set.
type Bucket struct {
	ID        ID
	Workspace string

	// Tokens is what the bucket held at At. It may be below zero by less than
	// what a nanosecond refills: a token that was due within that time.
	Tokens float64

	PerMinute, Burst uint32 // what the bucket ran with
	At               time.Time
}
