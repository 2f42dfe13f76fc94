package keystore

import (
	"errors"

	"github.com/socialpatra/keygate/apikey"
)

// What a store says of itself rather than of a key.
var (
	// ErrDamaged is wrapped by errors about stored bytes that do not verify.
	// The key concerned is refused; all others work.
	ErrDamaged = errors.New("damaged")

	// ErrNewer is wrapped by errors about what a newer Keygate wrote, and this
	// one cannot read.
	ErrNewer = errors.New("written by a newer Keygate")

	// ErrInUse is wrapped where another process holds the store.
	ErrInUse = errors.New("in use")

	// ErrNotWritten is wrapped where a change could not be written, and nothing
	// was changed. The next change may succeed.
	ErrNotWritten = errors.New("nothing was changed")

	// ErrUnknownOutcome is wrapped where a change may or may not have been made.
	// A store file takes no more changes after that, and holds the keys concerned
	// to the stricter of what was and what may be.
	ErrUnknownOutcome = errors.New("the outcome of the change is unknown")

	// ErrReadOnly is wrapped where the store takes no changes, because of an
	// earlier [ErrUnknownOutcome], or because [ReadBolt] opened it.
	ErrReadOnly = errors.New("the key store takes no more changes until Caddy is restarted")

	// ErrUnavailable is wrapped where what is underneath the store does not do
	// what it was asked; see [Unavailable].
	ErrUnavailable = errors.New("the key store is not available")
)

// Unavailable marks an error of what is underneath a store, a disk or an engine:
// it wraps [ErrUnavailable] as well, and its words stay as they are. Nil stays nil.
func Unavailable(err error) error {
	if err == nil {
		return nil
	}
	return unavailableError{err}
}

type unavailableError struct{ error }

func (e unavailableError) Unwrap() error        { return e.error }
func (e unavailableError) Is(target error) bool { return target == ErrUnavailable }

// IsFailure reports whether an error of a store says that the store could not do
// what it was asked. What else a store returns, besides ErrNotFound, ErrExists
// and the errors of its callers, is a fault of the program.
func IsFailure(err error) bool {
	for _, failure := range []error{ErrClosed, ErrDamaged, ErrNewer, ErrInUse, ErrNotWritten, ErrUnknownOutcome, ErrReadOnly, ErrUnavailable} {
		if errors.Is(err, failure) {
			return true
		}
	}
	return false
}

// ExistsError says which key could not be added, and wraps [ErrExists].
type ExistsError struct {
	ID apikey.ID

	// SameHash is the opaque key that has the same hash already; zero where the
	// ID is taken.
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
