package webhook

import (
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
