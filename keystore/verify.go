package keystore

import (
	"errors"
	"fmt"
	"math"

	bolt "go.etcd.io/bbolt"
)

// VerifyFile checks a store file as [OpenBolt] and [Bolt.Check] would, without
// changing it, and returns how many keys it holds. It returns an error if any
// record does not verify.
func VerifyFile(path string) (keys int, err error) {
	keys, err = verifyFile(path)
	if err != nil {
		return 0, pathError(path, err)
	}
	return keys, nil
}

func verifyFile(path string) (int, error) {
	if path == "" {
		return 0, errors.New("no path is given")
	}
	db, file, err := openDB(path, 0, beforeWriting)
	if err != nil {
		return 0, err
	}
	b := newBolt(path)
	b.db, b.file, b.index = db, file, NewIndex()
	defer b.Close()
	var first error
	problems := 0
	keys, err := b.Check(func(_ string, problem error) {
		if problems++; first == nil {
			first = problem
		}
	})
	switch {
	case err != nil:
		return 0, err
	case problems > 1:
		return 0, fmt.Errorf("%w, and %d more problems", first, problems-1)
	}
	return keys, first
}

// ReadBolt opens the store in an existing file for reading. It changes nothing in
// the file: an older schema stays as it is. Every change returns an error that
// wraps [ErrReadOnly].
func ReadBolt(path string) (*Bolt, error) {
	b := newBolt(path)
	b.failed.Store(&errOpenedToRead)
	b.mapped = math.MaxInt64 // it does not grow
	var err error
	if b.db, b.file, err = openDB(path, 0, reading); err == nil {
		if _, err = b.load(); err == nil {
			err = b.view(func(tx *bolt.Tx) error {
				b.about.Schema = int(schemaOf(tx))
				return nil
			})
		}
		if err != nil {
			b.db.Close()
		}
	}
	if err != nil {
		return nil, pathError(path, err)
	}
	return b, nil
}

var errOpenedToRead = errors.New("it was opened to be read")
