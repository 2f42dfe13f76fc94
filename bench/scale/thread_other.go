//go:build !linux

package main

import "time"

var begun = time.Now()

// threadTime is the time on the clock, for want of that of a thread.
func threadTime() time.Duration { return time.Since(begun) }
