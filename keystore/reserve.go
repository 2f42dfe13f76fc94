package keystore

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"syscall"
)

// When a file outgrows its map, bbolt maps it again and first waits for all
// readers to end. A backup to a slow client would then block every change, and
// after that every reader. So address space, not memory, is mapped ahead: 8 GiB
// hold several million keys and their history. Where there is less, [Bolt.Backup]
// lets nobody wait for its client.

// reservations returns how many bytes to map ahead: what is best, and less where
// a limit on address space does not allow that. The last is nothing.
func reservations() []int {
	switch {
	case runtime.GOOS == "windows": // would make the file as large as its map
		return []int{0}
	case strconv.IntSize < 64:
		return []int{256 << 20, 64 << 20, 0}
	default:
		large := int64(8) << 30
		return []int{int(large), 1 << 30, 256 << 20, 64 << 20, 0}
	}
}

// openReserving opens the file for writing, with the first of the reservations
// for which there is address space.
func (b *Bolt) openReserving(path string, reservations []int) error {
	var err error
	for i, reserve := range reservations {
		if b.db, b.file, err = openDB(path, reserve, writing); !errors.Is(err, syscall.ENOMEM) {
			b.mapped = int64(reserve)
			if err == nil && i > 0 {
				b.about.Warnings = append(b.about.Warnings, reservedLess(reserve, reservations[0]))
			}
			return err
		}
	}
	return fmt.Errorf("%w: raise this process's limit on address space (ulimit -v, prlimit --as)", err)
}

func reservedLess(got, wanted int) string {
	return fmt.Sprintf("%d MiB of address space are mapped ahead, not %d: once the file is larger, changes wait for readers of it, and a backup needs as much room again on the disk; raise the limit on address space (ulimit -v, prlimit --as)",
		got>>20, wanted>>20)
}
