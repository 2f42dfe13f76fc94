package adminapi

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// errChanged is a change for another state of the key than the one it is in.
var errChanged = errors.New("the key has changed since; read it again, and send its ETag as If-Match")

// tagged is an answer with a single key, whose state etag names.
type tagged struct {
	body any
	etag string
}

// etag names the state of a key, by all that a change can touch: not by its
// use, nor by whether it has expired meanwhile.
func etag(k *apikey.Key) string {
	state, err := json.Marshal(k.Record(k.CreatedAt, time.Time{}))
	if err != nil {
		panic(err) // strings, numbers and times only
	}
	sum := sha256.Sum256(state)
	return `"` + hex.EncodeToString(sum[:8]) + `"`
}

// matches applies If-Match (RFC 9110 §13.1.1), if the request has it.
func matches(r *http.Request, k *apikey.Key) error {
	values := r.Header.Values("If-Match")
	if len(values) == 0 {
		return nil
	}
	have := etag(k)
	for tag := range strings.SplitSeq(strings.Join(values, ","), ",") {
		if tag = strings.TrimSpace(tag); tag == have || tag == "*" {
			return nil
		}
	}
	return errChanged
}
