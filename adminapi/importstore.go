package adminapi

import (
	"bytes"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/socialpatra/keygate/apikey"
)

// importBatch is how many keys are stored together. It bounds the memory of a
// transaction, and for how long other changes and the saves of use wait for it.
const importBatch = 20_000

// store stores the keys of all good lines, and returns how many they were. A
// failure after the first batch leaves those that were stored, and says so: up
// to a batch is imported as a whole or not at all.
func (im *importer) store() (int, error) {
	keys := im.inOrder()
	batch := make([]apikey.Key, 0, min(importBatch, len(keys)))
	imported := 0
	for imported < len(keys) {
		batch = batch[:0]
		for _, k := range keys[imported:min(imported+importBatch, len(keys))] {
			batch = append(batch, *k)
		}
		err := im.call.store.CreateAll(batch, im.call.actor(), im.progressFrom(imported, len(keys)))
		if err != nil && imported > 0 {
			im.call.observer.KeysImported(imported, im.call.via)
			return 0, fmt.Errorf("%w; %d of %d keys were imported before: import the file again with keep_going for the others", err, imported, len(keys))
		}
		if err != nil {
			return 0, err
		}
		imported += len(batch)
	}
	if imported > 0 {
		im.call.observer.KeysImported(imported, im.call.via)
	}
	if imported > importBatch {
		im.keys = nil
		debug.FreeOSMemory() // of the lines, which may be a gigabyte, at once
	}
	return imported, nil
}

// inOrder returns the keys in the order of their IDs, in which a store is
// filled with the least work.
func (im *importer) inOrder() []*apikey.Key {
	var keys []*apikey.Key
	for _, block := range im.keys {
		for i := range block {
			keys = append(keys, &block[i])
		}
	}
	slices.SortFunc(keys, func(x, y *apikey.Key) int { return bytes.Compare(x.ID[:], y.ID[:]) })
	return keys
}

func (im *importer) progressFrom(before, all int) func(done int) {
	tell := im.call.progress
	if tell == nil {
		return nil
	}
	return func(done int) { tell(before+done, all) }
}
