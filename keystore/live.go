package keystore

import (
	"bytes"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/socialpatra/keygate/apikey"
)

// AddedLive returns by how many the live keys of a workspace grow if one of its keys
// changes at an instant. Either state may be nil: the key does not exist.
func AddedLive(at time.Time, from, to *apikey.Key) int {
	added := 0
	if to != nil && to.Live(at) {
		added++
	}
	if from != nil && from.Live(at) {
		added--
	}
	return added
}

// AddedLive returns by how many the live keys of a workspace grow by the rotation
// of a stored key.
func (r *Rotation) AddedLive(at time.Time, stored *apikey.Key) int {
	return AddedLive(at, nil, &r.Successor) + AddedLive(at, stored, &r.Old)
}

// checkLive refuses a change that adds live keys to a workspace beyond the bound of
// the actor. The caller holds b.writing until the change is made, and the index has
// all changes before that: so nothing is added between the count and the change. It
// costs a look-up in memory for each key of the workspace.
func (b *Bolt) checkLive(tx *bolt.Tx, workspace string, added int, by Actor) error {
	if by.MaxLive <= 0 || added <= 0 {
		return nil
	}
	live := 0
	for id := range idsIn(tx, workspace) {
		if g, ok := b.index.Lookup(id); ok && g.Workspace == workspace && g.Live(by.At) {
			live++
		}
	}
	if live+added > by.MaxLive {
		return &TooManyError{Live: live, Max: by.MaxLive}
	}
	return nil
}

// idsIn yields the IDs of the keys of a workspace, in order.
func idsIn(tx *bolt.Tx, workspace string) func(yield func(apikey.ID) bool) {
	prefix := append([]byte(workspace), 0)
	return func(yield func(apikey.ID) bool) {
		cursor := tx.Bucket(bucketWorkspaces).Cursor()
		for name, _ := cursor.Seek(prefix); bytes.HasPrefix(name, prefix); name, _ = cursor.Next() {
			if id := name[len(prefix):]; len(id) == apikey.IDLen && !yield(apikey.ID(id)) {
				return
			}
		}
	}
}
