package keystore

import (
	"errors"
	"fmt"

	"github.com/socialpatra/keygate/apikey"
)

// Errors about the store rather than about a key.
var (
	// ErrDamaged is wrapped by errors about stored bytes that do not verify. The
	// key concerned is refused. All others work.
	ErrDamaged = errors.New("damaged")

	// ErrNewer is wrapped by errors about data that a newer Keygate wrote and
	// this one cannot read.
	ErrNewer = errors.New("written by a newer Keygate")

	// ErrInUse is wrapped if another process holds the store.
	ErrInUse = errors.New("in use")

	// ErrNotWritten is wrapped if a change could not be written and nothing was
	// changed. The next change may succeed.
	ErrNotWritten = errors.New("nothing was changed")

	// ErrUnknownOutcome is wrapped if a change may or may not have been made. A
	// store file then takes no more changes. It restricts the keys concerned to
	// what both the old and the new state allow.
	ErrUnknownOutcome = errors.New("the outcome of the change is unknown")

	// ErrReadOnly is wrapped if the store takes no changes: because of an earlier
	// [ErrUnknownOutcome], or because [ReadBolt] opened it.
	ErrReadOnly = errors.New("the key store takes no more changes until Caddy is restarted")

	// ErrUnavailable is wrapped if whatever the store is built on fails; see
	// [Unavailable].
	ErrUnavailable = errors.New("the key store is not available")
)

// Unavailable marks an error of a disk or an engine below a store. The result
// wraps [ErrUnavailable] and err, and has the text of err. Unavailable(nil) is
// nil.
func Unavailable(err error) error {
	if err == nil {
		return nil
	}
	return unavailableError{err}
}

type unavailableError struct{ error }

func (e unavailableError) Unwrap() error        { return e.error }
func (e unavailableError) Is(target error) bool { return target == ErrUnavailable }

// IsFailure reports whether an error says that the store could not do what it was
// asked. Any other error of a store is a fault of the program, except
// ErrNotFound, ErrExists and the errors of the caller's functions.
func IsFailure(err error) bool {
	for _, failure := range []error{ErrClosed, ErrDamaged, ErrNewer, ErrInUse, ErrNotWritten, ErrUnknownOutcome, ErrReadOnly, ErrUnavailable} {
		if errors.Is(err, failure) {
			return true
		}
	}
	return false
}

// ExistsError says which key could not be added. It wraps [ErrExists].
type ExistsError struct {
	ID apikey.ID

	// SameHash is the opaque key that already has the same hash. It is zero if
	// the ID is taken.
	SameHash apikey.ID
}

func (e *ExistsError) Error() string {
	if e.SameHash.IsZero() {
		return e.ID.String() + ": " + ErrExists.Error()
	}
	return e.ID.String() + ": the opaque key " + e.SameHash.String() + " has the same hash"
}

// Unwrap returns [ErrExists].
func (e *ExistsError) Unwrap() error { return ErrExists }

// TooManyError says that a change would have added a live key to a workspace
// beyond [Actor.MaxLive]. Nothing was changed.
type TooManyError struct {
	Live int // live keys of the workspace before the change
	Max  int
}

func (e *TooManyError) Error() string {
	return fmt.Sprintf("the workspace has %d live keys, and at most %d are allowed", e.Live, e.Max)
}
