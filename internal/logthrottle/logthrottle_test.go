package logthrottle

import (
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestRarely(t *testing.T) {
	core, logs := observer.New(zap.ErrorLevel)
	logger := zap.New(core)
	var r Throttle
	now := time.Unix(1_000_000, 0)
	for _, step := range []struct {
		after  time.Duration
		logged bool
		held   int64 // told of with it
	}{
		{0, true, 0},
		{0, false, 0},
		{9 * time.Second, false, 0},
		{time.Second, true, 2},
		{10 * time.Second, true, 0},
		{5 * time.Second, false, 0},
		{-time.Hour, true, 1}, // the clock is set back
	} {
		now = now.Add(step.after)
		r.Error(logger, now, "broken")
		got := logs.TakeAll()
		if (len(got) == 1) != step.logged {
			t.Fatalf("at %v: %d entries", now, len(got))
		}
		if !step.logged {
			continue
		}
		if held, _ := got[0].ContextMap()["not_logged"].(int64); held != step.held {
			t.Errorf("at %v: %d are told of, want %d", now, held, step.held)
		}
	}
}
