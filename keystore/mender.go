package keystore

// Mender is a store of which the parts may differ for a while, as changes to them
// are several steps on an engine that others use as well.
type Mender interface {
	// Mend finishes or undoes the changes that nobody goes on with, and makes the
	// index agree with all records. It returns how much it has mended.
	Mend() (mended int, err error)

	// Complete returns nil where every key that works is in the index, and every
	// key of the index has a record; otherwise an error that says what to do. Where
	// it does, a list of all keys would be less than what works.
	Complete() error

	// AwaitSettled returns when no change is left that nobody goes on with, or an
	// error where that takes too long.
	AwaitSettled() error
}
