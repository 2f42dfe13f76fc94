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
// transaction, and how long other changes and the saving of use wait for it.
const importBatch = 20_000

// store stores the keys of all good lines and returns how many there were. Up to
// importBatch keys are imported all or none. If a later batch fails, the batches
// before it stay stored, and the error says so.
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
			im.call.observer.KeysImported(imported, im.call.actor())
			return 0, fmt.Errorf("%w; %d of %d keys were imported before: import the file again with keep_going for the others", err, imported, len(keys))
		}
		if err != nil {
			return 0, err
		}
		imported += len(batch)
	}
	if imported > 0 {
		im.call.observer.KeysImported(imported, im.call.actor())
	}
	if imported > importBatch {
		im.keys = nil
		debug.FreeOSMemory() // free the memory of the lines, up to a gigabyte, at once
	}
	return imported, nil
}

// inOrder returns the keys sorted by ID, the order in which filling a store takes
// the least work.
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

// ProgressHeader is sent by a client that wants to hear how far an import is. The
// server then sends informational answers with status 102 and this header, such
// as "400000/1000000": the number of keys that are ready to be written, of all
// keys. It must be asked for, because some clients give up after a few
// informational answers.
const ProgressHeader = "Keygate-Progress"

// progressPause is the least time between two reports of progress.
const progressPause = 200 * time.Millisecond

// tellProgress returns a function that reports progress, or nil if the request
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
