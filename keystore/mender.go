package keystore

// Mender is a store whose parts may disagree for a while, because a change takes
// several steps on an engine that other processes use too.
type Mender interface {
	// Mend finishes or undoes changes that nobody continues, and makes the index
	// agree with all records. It returns how many changes it made.
	Mend() (mended int, err error)

	// Complete returns nil if every key that works is in the index, and every key
	// in the index has a record. Otherwise it returns an error that says what to
	// do: a list of all keys would miss keys that work.
	Complete() error

	// AwaitSettled waits until no change is left that nobody continues. It
	// returns an error if that takes too long.
	AwaitSettled() error
}
