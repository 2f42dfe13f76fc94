package adminapi

import (
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/socialpatra/keygate/internal/headroom"
)

// importBatch is how many keys are stored together. It bounds the memory of a
// transaction, and how long other changes and the saving of use wait for it: a second
// or two in a store of a million keys. Each batch rewrites most of the index of
// workspaces, so that few large ones take less time than many.
const importBatch = 60_000

// store stores the keys of all good lines and returns how many there were. Up to
// importBatch keys are imported all or none. If a later batch fails, the batches
// before it stay stored, and the error says so.
func (im *importer) store() (int, error) {
	im.lineOfID, im.lineOfOpaque = nil, nil
	all, imported := im.keys.n, 0
	if all > importBatch {
		defer headroom.Spare()()
		debug.FreeOSMemory() // what reading the lines left behind, before storing needs memory
	}
	for batch, err := range im.keys.batches(importBatch) {
		if err == nil {
			err = im.call.store.CreateAll(batch, im.call.actor(), im.progressFrom(imported, all))
		}
		if err != nil && imported > 0 {
			im.call.observer.KeysImported(imported, im.call.actor())
			return 0, fmt.Errorf("%w; %d of %d keys were imported before: import the file again with keep_going for the others", err, imported, all)
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
		go debug.FreeOSMemory() // what the import took, hundreds of megabytes; nobody need wait for it
	}
	return imported, nil
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
