package redisstore

import (
	"errors"
	"strconv"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// bound is how many live keys a workspace may have after a change that adds some.
type bound struct {
	max           int // 0: as many as there are
	before, after int // live keys of those that are changed
	id            apikey.ID
	workspace     string
	at            time.Time
}

// boundOf returns the bound of a change, or nil if it has none or adds no live key.
// k is the key that is changed or created; before says whether it is live.
func boundOf(by keystore.Actor, k *apikey.Key, before, added int) *bound {
	if by.MaxLive <= 0 || added <= 0 {
		return nil
	}
	return &bound{max: by.MaxLive, before: before, after: before + added, id: k.ID, workspace: k.Workspace, at: by.At}
}

// boundOfRotation is boundOf for a rotation, or else reserves what that leaves: its
// successor is in the index only when the rotation is entered, and its predecessor may
// have been deleted until then.
func boundOfRotation(by keystore.Actor, old *apikey.Key, r *keystore.Rotation) *bound {
	before, added := keystore.AddedLive(by.At, nil, old), r.AddedLive(by.At, old)
	if b := boundOf(by, old, before, added); b != nil || before+added == 0 {
		return b
	}
	return &bound{before: before, after: before + added, id: old.ID, workspace: old.Workspace, at: by.At}
}

// args appends what noteScript needs of a bound. Keys expire at whole seconds.
func (b *bound) args(list []string) []string {
	if b == nil {
		return list
	}
	return append(list, strconv.Itoa(b.max), strconv.Itoa(b.after), b.id.String(), b.workspace, formatInt(b.at.Unix()))
}

// noRoomError is why a change within a bound was not noted.
type noRoomError struct {
	live     int // besides the keys of the change
	reserved int // for changes under way
}

func (*noRoomError) Error() string { return "there is no room for the change" }

// beginWithin is begin within a bound, unless that is nil. Where there is room but
// for changes under way, it waits for what becomes of them.
func (s *Store) beginWithin(b *bound, entries ...entry) (*change, error) {
	for deadline := time.Now().Add(2 * s.grace()); ; time.Sleep(endPause) {
		c, err := s.beginBounded(b, entries)
		full, ok := errors.AsType[*noRoomError](err)
		switch {
		case !ok:
			return c, err
		case full.live+b.after > b.max, time.Now().After(deadline), s.isClosing():
			return nil, &keystore.TooManyError{Live: full.live + full.reserved + b.before, Max: b.max}
		}
		_, _ = s.resolveNotes() // those that nobody goes on with; the next try tells what is left
	}
}
