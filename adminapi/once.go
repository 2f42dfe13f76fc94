package adminapi

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// OnceHeader makes a creation happen once. Whoever sends a creation again with
// the same value, for the same workspace and as the same actor, gets 409 and the
// ID of the key that was made: its token was in the first answer alone. The value
// is 16 to 200 characters of printable ASCII, best a random one for each form.
//
// The ID of the key follows from the value, so every gateway of a fleet knows it,
// also after a restart.
const OnceHeader = "Idempotency-Key"

// MadeError refuses a creation that was made before.
type MadeError struct{ ID apikey.ID }

func (e *MadeError) Error() string {
	return fmt.Sprintf("this request has made the key %s already, and its token was in the answer to that; rotate it if the token is lost", e.ID)
}

// newID returns the ID for a new key of a workspace. If the request asks to be
// made once, it refuses an ID that a key has or had.
func (c *call) newID(r *http.Request, workspace string) (apikey.ID, error) {
	values := r.Header.Values(OnceHeader)
	if len(values) == 0 {
		return apikey.NewID(), nil
	}
	const shortest, longest = 16, 200
	value := values[0]
	if len(values) > 1 || len(value) < shortest || len(value) > longest || !isPrintable(value) || apikey.ContainsToken(value) {
		return apikey.ID{}, &apikey.FieldError{
			Field: "the header " + OnceHeader, Problem: "is not accepted",
			Accepted: fmt.Sprintf("one value of %d to %d characters of printable ASCII, such as a UUID", shortest, longest),
		}
	}
	id := apikey.IDFrom(strconv.Quote(workspace) + strconv.Quote(c.by) + strconv.Quote(value))
	history, err := c.store.Audit(keystore.AuditQuery{Key: id, Limit: 1})
	if err == nil && len(history.Entries) > 0 {
		err = &MadeError{id}
	}
	return id, err
}

// once tells that a key with the ID of a request that is made once exists.
func once(r *http.Request, id apikey.ID, err error) error {
	if r.Header[OnceHeader] != nil && errors.Is(err, keystore.ErrExists) {
		return &MadeError{id}
	}
	return err
}

func isPrintable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
