package doctor

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/keystore"
)

func TestMountType(t *testing.T) {
	const mounts = `22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
40 27 0:40 / /var/lib rw shared:1 - xfs /dev/vdb rw
41 40 0:41 / /var/lib/keygate rw - nfs4 server:/keys rw
42 27 0:42 / /srv/with\040space rw - btrfs /dev/vdc rw
43 40 0:43 / /var/lib/keygate rw - tmpfs none rw
garbage
`
	for folder, want := range map[string]string{
		"/": "ext4", "/etc": "ext4", "/var/lib": "xfs", "/var/library": "ext4", "/var/lib/other": "xfs",
		"/var/lib/keygate": "tmpfs", "/var/lib/keygate/data": "tmpfs", "/srv/with space/x": "btrfs",
	} {
		if got := mountType(mounts, folder); got != want {
			t.Errorf("%s is on %q, want %q", folder, got, want)
		}
	}
}

func TestIsElsewhere(t *testing.T) {
	own, _ := os.Hostname()
	for host, want := range map[string]bool{
		"localhost:2019": false, "127.0.0.1:2019": false, "[::1]:2019": false, ":2019": false, "0.0.0.0:2019": false,
		"a.localhost:2019": false, net.JoinHostPort(own, "2019"): false,
		"192.0.2.1:2019": true, "gateway-1.internal:2019": true, "[2001:db8::1]:2019": true,
	} {
		if got := isElsewhere(Admin{Name: host, Network: "tcp", Host: host}); got != want {
			t.Errorf("%s: %t, want %t", host, got, want)
		}
	}
}

func TestQuote(t *testing.T) {
	for path, want := range map[string]string{"/var/lib/keys.db": "/var/lib/keys.db", "my keys.db": "'my keys.db'", "it's": `'it'\''s'`, "": "''", "$(reboot)": "'$(reboot)'"} {
		if got := Quote(path); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// A store that nobody holds is glanced at, for its latest change, and stays as it
// is. One that somebody holds is not opened.
func TestLookAtAStoreAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "keys.db")
	store, err := keystore.OpenBolt(path)
	if err != nil {
		t.Fatal(err)
	}
	f := Look(Gateway{Now: now, StorePath: path})
	if !f.Store.Held || f.Store.Holder.PID != os.Getpid() || f.Store.Glance != nil {
		t.Errorf("held: %+v", f.Store)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	before := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, before, before); err != nil {
		t.Fatal(err)
	}
	f = Look(Gateway{Now: now, StorePath: path})
	if f.Store.Held || f.Store.Glance == nil || !f.Store.Glance.Empty || f.Admin.Schema == 0 {
		t.Errorf("free: %+v", f.Store)
	}
	if info, err := os.Stat(path); err != nil || !info.ModTime().Equal(f.Store.Changed) {
		t.Errorf("it was changed: %v", err)
	}

	none := filepath.Join(t.TempDir(), "none", "keys.db")
	for _, line := range Examine(Look(Gateway{Now: now, StorePath: none})) {
		if line.Check == "store" && (line.Outcome != Fail || !strings.Contains(line.Found, "there is no "+none)) {
			t.Errorf("%+v", line)
		}
	}
	if _, err := os.Stat(filepath.Dir(none)); err == nil {
		t.Error("the folder of a store was made")
	}
}
