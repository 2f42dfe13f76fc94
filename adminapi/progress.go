package adminapi

import (
	"fmt"
	"net/http"
	"time"
)

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
