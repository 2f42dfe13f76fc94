package keystore

import (
	"syscall"

	bolt "go.etcd.io/bbolt"
)

// dropPages takes the pages of the file that were read out of the memory of the
// process. They stay in the cache of the system, which lets go of them when memory
// is needed; in the process they would count as if it needed them. tx keeps bbolt
// from mapping the file elsewhere meanwhile. The map is for reading alone, so
// nothing in it can be lost.
func dropPages(tx *bolt.Tx) {
	mapped := tx.DB().Info().Data
	// Where this fails, the pages stay, and all else is as it was.
	_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, mapped, uintptr(tx.Size()), syscall.MADV_DONTNEED)
}
