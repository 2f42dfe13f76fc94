package redisstore

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// bound is what a change may add to the live keys of a workspace.
type bound struct {
	max           int         // live keys of the workspace after it; 0: any number
	before, after int         // live keys of those that are changed
	adds          []apikey.ID // the keys that are live after it alone
	workspace     string
	at            time.Time
}

// becomes is how a change leaves one of its keys. from is nil where it makes the key.
type becomes struct{ from, to *apikey.Key }

// boundOf returns the bound of a change, or nil if it makes no key live. What makes keys
// live reserves them, also where it adds none: a rotation may end the key that it
// replaces, and that may be deleted before the successor is in the index.
func boundOf(by keystore.Actor, keys ...becomes) *bound {
	b := &bound{workspace: keys[0].to.Workspace, at: by.At}
	for _, k := range keys {
		b.before += keystore.AddedLive(by.At, nil, k.from)
		b.after += keystore.AddedLive(by.At, nil, k.to)
		if keystore.AddedLive(by.At, k.from, k.to) > 0 {
			b.adds = append(b.adds, k.to.ID)
		}
	}
	switch {
	case len(b.adds) == 0:
		return nil
	case b.after > b.before:
		b.max = max(0, by.MaxLive)
	}
	return b
}

// args appends what noteScript needs of a bound. Keys expire at whole seconds.
func (b *bound) args(list []string) []string {
	if b == nil {
		return list
	}
	var adds []string
	for _, id := range b.adds {
		adds = append(adds, id.String())
	}
	return append(list, strconv.Itoa(b.max), strconv.Itoa(b.after), strings.Join(adds, ","), b.workspace, formatInt(b.at.Unix()))
}

// noRoomError is why a change within a bound was not noted.
type noRoomError struct {
	live     int // besides the keys of the change
	reserved int // beside those, for changes under way
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
