package webhook

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// listen listens at an address that was free a moment ago.
func listen(t *testing.T, address string) (l net.Listener) {
	t.Helper()
	until(t, "the address is free", func() bool {
		var err error
		l, err = net.Listen("tcp", address)
		return err == nil
	})
	return l
}

// quietPort returns an address that is below those that the kernel chooses by itself, so
// that no connection takes it while nobody listens there.
func quietPort(t *testing.T) string {
	t.Helper()
	for range 1000 {
		address := fmt.Sprintf("127.0.0.1:%d", 4100+rand.IntN(900))
		if l, err := net.Listen("tcp", address); err == nil {
			_ = l.Close()
			return address
		}
	}
	t.Fatal("no port from 4100 to 4999 is free")
	return ""
}
