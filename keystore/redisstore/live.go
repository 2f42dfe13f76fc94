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

// boundOf returns the bound of a change, or nil if it has none or adds no live key.
// k is the key that is changed or created; before says whether it is live.
func boundOf(by keystore.Actor, k *apikey.Key, before, added int) *bound {
	if by.MaxLive <= 0 || added <= 0 {
		return nil
	}
	return &bound{max: by.MaxLive, before: before, after: before + added, adds: []apikey.ID{k.ID}, workspace: k.Workspace, at: by.At}
}

// boundOfRotation is boundOf for a rotation. That has one even if it adds no live key
// to the others, as its predecessor may be deleted before its successor is in the
// index.
func boundOfRotation(by keystore.Actor, old *apikey.Key, r *keystore.Rotation) *bound {
	before, added := keystore.AddedLive(by.At, nil, old), r.AddedLive(by.At, old)
	b := &bound{before: before, after: before + added, workspace: old.Workspace, at: by.At}
	if keystore.AddedLive(by.At, nil, &r.Successor) > 0 {
		b.adds = append(b.adds, r.Successor.ID)
	}
	if keystore.AddedLive(by.At, old, &r.Old) > 0 {
		b.adds = append(b.adds, old.ID)
	}
	switch {
	case len(b.adds) == 0:
		return nil
	case added > 0:
		b.max = by.MaxLive
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
