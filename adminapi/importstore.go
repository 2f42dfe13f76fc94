package adminapi

import (
	"bytes"
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"time"

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

// ProgressHeader is sent by a client that wants to be told how far an import
// is. The answers to it, with the status 102, have it as "400000/1000000": so
// many keys of all are ready to be written. It must be asked for, because some
// clients give up after a few answers that are not the last.
const ProgressHeader = "Keygate-Progress"

// progressPause is how long there is nothing more to tell.
const progressPause = 200 * time.Millisecond

// tellProgress returns how to answer with progress, or nil where the request
// does not ask for it.
func tellProgress(w http.ResponseWriter, r *http.Request) func(done, all int) {
	if r.Header.Get(ProgressHeader) == "" {
		return nil
	}
	var told time.Time
	return func(done, all int) {
		if done < all && time.Since(told) < progressPause {
			return
		}
		told = time.Now()
		w.Header().Set(ProgressHeader, fmt.Sprintf("%d/%d", done, all))
		w.WriteHeader(http.StatusProcessing)
		w.Header().Del(ProgressHeader)
	}
}
