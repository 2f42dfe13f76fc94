package keystore

import (
	"os"
	"syscall"
	"testing"
)

// TestCompactKeepsTheOwner is for root, who alone can give files away; others
// see that nothing fails.
func TestCompactKeepsTheOwner(t *testing.T) {
	path := writeStore(t, 1)
	uid := os.Getuid()
	if uid == 0 {
		uid = 65534
		if err := os.Chown(path, uid, uid); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := CompactFile(path); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := int(info.Sys().(*syscall.Stat_t).Uid); got != uid {
		t.Errorf("the compacted store belongs to %d, want %d", got, uid)
	}
}
