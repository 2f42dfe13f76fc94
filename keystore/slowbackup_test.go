package keystore

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// stalled is a reader of a backup that stops after the first bytes.
type stalled struct {
	begun, goOn chan struct{}
	n           int64
}

func (s *stalled) Write(p []byte) (int, error) {
	if s.n == 0 {
		close(s.begun)
		<-s.goOn
	}
	s.n += int64(len(p))
	return len(p), nil
}

// A backup that nobody reads on does not keep changes waiting, whatever is mapped
// ahead: nothing, as on Windows, or less than the file takes later.
func TestStalledBackupBlocksNoChange(t *testing.T) {
	t.Parallel()
	for _, reserve := range []int{0, 1 << 20, 64 << 20} {
		t.Run(fmt.Sprint(reserve), func(t *testing.T) {
			path := writeStore(t, 100)
			b := newBolt(path)
			if err := b.openReserving(path, []int{reserve}); err != nil {
				t.Fatal(err)
			}
			if _, err := b.load(); err != nil {
				t.Fatal(err)
			}
			b.db.NoSync = true // no test of crashes
			reader := &stalled{begun: make(chan struct{}), goOn: make(chan struct{})}
			read := make(chan error, 1)
			go func() { read <- b.Backup(reader) }()
			<-reader.begun

			changed := make(chan error, 1)
			go func() { changed <- b.CreateAll(longKeys(t, 3000), testActor, nil) }()
			select {
			case err := <-changed:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(patience):
				t.Error("a change waits for the reader of a backup")
			}
			close(reader.goOn)
			if err := <-read; err != nil || reader.n == 0 {
				t.Errorf("the backup: %d bytes, %v", reader.n, err)
			}
			if err := b.Close(); err != nil {
				t.Error(err)
			}
			left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".*"))
			if err != nil || len(left) > 0 {
				t.Errorf("there are left: %v, %v", left, err)
			}
		})
	}
}

// longKeys take more room than a file of a few keys has.
func longKeys(t *testing.T, n int) (keys []apikey.Key) {
	t.Helper()
	for i := range n {
		k := testKey(t)
		k.ID, k.Description = numberedID(1000+i), strings.Repeat("x", 1000)
		keys = append(keys, k)
	}
	return keys
}

// A file that was opened to be read is backed up without a copy beside it: its
// folder may be closed, and nobody changes it.
func TestBackupOfAFileThatIsRead(t *testing.T) {
	path := writeStore(t, 3)
	b, err := ReadBolt(path)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := os.Rename(filepath.Dir(path), filepath.Dir(path)+".moved"); err != nil {
		t.Fatal(err)
	}
	if err := b.Backup(io.Discard); err != nil {
		t.Error(err)
	}
}
