package keystore

import (
	"errors"
	"fmt"
)

// VerifyFile judges a store file as [OpenBolt] and [Bolt.Check] would, without
// changing it, and returns how many keys it holds. Any record that does not
// verify is an error.
func VerifyFile(path string) (keys int, err error) {
	keys, err = verifyFile(path)
	if err != nil {
		return 0, fmt.Errorf("key store %s: %w", path, err)
	}
	return keys, nil
}

func verifyFile(path string) (int, error) {
	if path == "" {
		return 0, errors.New("no path is given")
	}
	db, err := openDB(path, true)
	if err != nil {
		return 0, err
	}
	b := &Bolt{db: db, index: NewIndex()}
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
