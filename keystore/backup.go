package keystore

import (
	"io"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"
)

// roomToGrow is how many bytes the file must still be able to grow within its map for
// Backup to read it directly. Changes fill less than that while a slow client reads.
const roomToGrow = 1 << 30

// Backup implements [Store]. The copy is a store file. If the file might outgrow its
// map during the backup, bbolt would map it anew, and changes would wait for the
// reader. Then the copy is first written to a file beside the store, which takes no
// longer however slow the client is.
func (b *Bolt) Backup(w io.Writer) error {
	var size int64
	err := b.view(func(tx *bolt.Tx) error {
		size = tx.Size()
		return nil
	})
	switch {
	case err != nil:
		return err
	case b.mapped-size < roomToGrow:
		return b.backupSpooled(w)
	default:
		return b.copyTo(w)
	}
}

func (b *Bolt) backupSpooled(w io.Writer) error {
	path := b.about.Place
	spool, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".backup-*") // mode 0600
	if err != nil {
		return Unavailable(err)
	}
	defer func() {
		_ = spool.Close() // before it is removed, as Windows wants it
		_ = os.Remove(spool.Name())
	}()
	if err := b.copyTo(spool); err != nil {
		return Unavailable(err)
	}
	if _, err := spool.Seek(0, io.SeekStart); err != nil {
		return Unavailable(err)
	}
	_, err = io.Copy(w, spool)
	return err
}

func (b *Bolt) copyTo(w io.Writer) error {
	keep := &firstError{w: w}
	err := b.view(func(tx *bolt.Tx) error {
		_, err := tx.WriteTo(keep)
		return err
	})
	switch {
	case keep.err != nil:
		return keep.err
	case IsFailure(err):
		return err
	default:
		return Unavailable(err) // what bbolt reads here comes from the file
	}
}

// firstError remembers the first error of a writer, because bbolt does not always
// wrap it.
type firstError struct {
	w   io.Writer
	err error
}

func (f *firstError) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	if f.err == nil {
		f.err = err
	}
	return n, err
}
