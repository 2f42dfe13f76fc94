package redistest

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"
)

// Patience is how long Until waits for what has to come.
const Patience = 90 * time.Second

// Until waits for a condition, and fails the test where it does not come true.
func Until(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(Patience); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s in vain until %s", Patience, what)
		}
	}
}

// Quickly fails unless one of three tries takes no longer than most. A machine that
// stops makes one of them slow, and what waits for something all of them.
func Quickly(t testing.TB, what string, most time.Duration, try func()) {
	t.Helper()
	var took [3]time.Duration
	for i := range took {
		start := time.Now()
		try()
		if took[i] = time.Since(start); took[i] <= most {
			return
		}
	}
	t.Errorf("%s takes %v; want at most %s", what, took, most)
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// tail returns the last lines of a log.
func tail(log string) string {
	lines := strings.Split(log, "\n")
	return strings.Join(lines[max(0, len(lines)-30):], "\n")
}
