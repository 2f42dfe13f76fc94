package keystore

import (
	"fmt"
	"runtime/debug"
)

// guarded runs fn, which reads the file that bbolt maps into memory. A damaged
// file makes bbolt panic, and one cut short makes the kernel send SIGBUS; both
// become an error that wraps ErrDamaged instead of the end of the process.
func guarded(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // for this goroutine only
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: the file cannot be read (%v); %s", ErrDamaged, p, adviceDamaged)
		}
	}()
	return fn()
}
