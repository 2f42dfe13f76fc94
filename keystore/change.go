package keystore

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/socialpatra/keygate/apikey"
)

// Create implements [Store].
func (b *Bolt) Create(k apikey.Key, by Actor) error {
	grant, err := prepare(&k)
	if err != nil {
		return err
	}
	b.writing.Lock()
	defer b.writing.Unlock()
	if err := b.checkHash(&k); err != nil {
		return err
	}
	err = b.commit(func(tx *bolt.Tx) error {
		if err := b.checkLive(tx, k.Workspace, AddedLive(by.At, nil, &k), by); err != nil {
			return err
		}
		return b.addKey(tx, &k, by)
	})
	if err == nil {
		b.index.Put(k.ID, grant, k.Opaque)
	}
	return err
}

// Update implements [Store].
func (b *Bolt) Update(id apikey.ID, action string, by Actor, edit func(*apikey.Key) error) (apikey.Key, error) {
	b.writing.Lock()
	defer b.writing.Unlock()
	old, err := b.Get(id)
	if err != nil {
		return apikey.Key{}, err
	}
	k, grant, err := Edited(&old, edit)
	if err != nil {
		return apikey.Key{}, err
	}
	if err := b.accepting(); err != nil {
		return apikey.Key{}, err
	}
	if by.Reason == "" && bytes.Equal(encodeKey(&k), encodeKey(&old)) {
		return k, nil
	}
	if err := b.checkHash(&k); err != nil {
		return apikey.Key{}, err
	}
	err = b.commit(func(tx *bolt.Tx) error {
		if err := b.checkLive(tx, k.Workspace, AddedLive(by.At, &old, &k), by); err != nil {
			return err
		}
		return b.changeKey(tx, action, &old, &k, by)
	})
	if errors.Is(err, ErrUnknownOutcome) {
		b.narrow(id, grant, k.Opaque)
	}
	if err != nil {
		return apikey.Key{}, err
	}
	b.index.Put(id, grant, k.Opaque)
	return k, nil
}

// Rotate implements [Store].
func (b *Bolt) Rotate(id apikey.ID, by Actor, edit func(old, successor *apikey.Key) error) (apikey.Key, error) {
	b.writing.Lock()
	defer b.writing.Unlock()
	stored, err := b.Get(id)
	if err != nil {
		return apikey.Key{}, err
	}
	r, err := Rotated(&stored, edit)
	if err != nil {
		return apikey.Key{}, err
	}
	for _, k := range []*apikey.Key{&r.Old, &r.Successor} {
		if err := b.checkHash(k); err != nil {
			return apikey.Key{}, err
		}
	}
	err = b.commit(func(tx *bolt.Tx) error {
		if err := b.checkLive(tx, stored.Workspace, r.AddedLive(by.At, &stored), by); err != nil {
			return err
		}
		if err := b.addKey(tx, &r.Successor, by); err != nil {
			return err
		}
		return b.changeKey(tx, "rotate", &stored, &r.Old, by)
	})
	if errors.Is(err, ErrUnknownOutcome) { // nobody has the successor's token
		b.narrow(id, r.OldGrant, r.Old.Opaque)
	}
	if err != nil {
		return apikey.Key{}, err
	}
	b.index.Put(r.Successor.ID, r.SuccessorGrant, r.Successor.Opaque)
	b.index.Put(id, r.OldGrant, r.Old.Opaque)
	return r.Successor, nil
}

// Delete implements [Store]. It can also remove a key whose record is damaged.
func (b *Bolt) Delete(id apikey.ID, by Actor, check func(*apikey.Key) error) error {
	b.writing.Lock()
	defer b.writing.Unlock()
	err := b.commit(func(tx *bolt.Tx) error {
		return b.removeKey(tx, id, by, check)
	})
	if err == nil || errors.Is(err, ErrUnknownOutcome) {
		b.index.Delete(id)
	}
	return err
}

// narrow restricts a key to what both its old and its new grant allow, because
// nobody knows which of them is on disk.
func (b *Bolt) narrow(id apikey.ID, g apikey.Grant, opaque bool) {
	if old, ok := b.index.Lookup(id); ok {
		b.index.Put(id, apikey.Narrower(old, g), opaque)
	}
}

// prepare brings a key into its stored form and returns its grant. It refuses a
// key that could not be read back and used for decisions.
func prepare(k *apikey.Key) (apikey.Grant, error) {
	if _, err := apikey.ParseID(k.ID.String()); err != nil {
		return apikey.Grant{}, err
	}
	if k.Hash == (apikey.Hash{}) {
		return apikey.Grant{}, fmt.Errorf("key %s has no hash", k.ID)
	}
	for _, t := range []*time.Time{&k.CreatedAt, &k.ExpiresAt, &k.RevokedAt} {
		*t = t.UTC().Truncate(time.Second)
	}
	return k.Grant()
}

func (b *Bolt) addKey(tx *bolt.Tx, k *apikey.Key, by Actor) error {
	if tx.Bucket(bucketKeys).Get(k.ID[:]) != nil {
		return &ExistsError{ID: k.ID}
	}
	if err := b.settle(tx, accountsOf(k)...); err != nil {
		return err
	}
	if err := putKey(tx, k); err != nil {
		return err
	}
	if err := beginSeen(tx, k, by.At); err != nil {
		return err
	}
	return addAudit(tx, "create", nil, k, by)
}

// putKey stores a new key and adds it to its workspace.
func putKey(tx *bolt.Tx, k *apikey.Key) error {
	if err := tx.Bucket(bucketKeys).Put(k.ID[:], encodeKey(k)); err != nil {
		return err
	}
	return tx.Bucket(bucketWorkspaces).Put(workspaceKey(k.Workspace, k.ID), nil)
}

func (b *Bolt) changeKey(tx *bolt.Tx, action string, old, k *apikey.Key, by Actor) error {
	if err := tx.Bucket(bucketKeys).Put(k.ID[:], encodeKey(k)); err != nil {
		return err
	}
	if err := b.changeScopes(tx, old, k, by.At); err != nil {
		return err
	}
	return addAudit(tx, action, old, k, by)
}

func (b *Bolt) removeKey(tx *bolt.Tx, id apikey.ID, by Actor, check func(*apikey.Key) error) error {
	keys := tx.Bucket(bucketKeys)
	value := keys.Get(id[:])
	if value == nil {
		return notFound(id)
	}
	old, err := decodeKey(id, value)
	workspace := old.Workspace
	if check != nil {
		if err == nil {
			checked := old.Clone()
			err = check(&checked)
		}
		if err != nil {
			return err
		}
	} else if err != nil {
		old = apikey.Key{ID: id} // nothing else is known of it
	}
	if err := keys.Delete(id[:]); err != nil {
		return err
	}
	if workspace == "" {
		workspace = cmp.Or(workspaceOf(tx, id), lastWorkspace(tx, id))
	}
	if err := tx.Bucket(bucketWorkspaces).Delete(workspaceKey(workspace, id)); err != nil {
		return err
	}
	if err := b.removeUse(tx, &old, by.At); err != nil {
		return err
	}
	changed, err := changes(&old, nil, by.At)
	if err != nil {
		return err
	}
	return putAudit(tx, by.Entry("delete", id), workspace, changed)
}

// workspaceKey is the workspace, a zero byte, which no workspace contains, and
// the ID.
func workspaceKey(workspace string, id apikey.ID) []byte {
	key := make([]byte, 0, len(workspace)+1+len(id))
	return append(append(append(key, workspace...), 0), id[:]...)
}

// workspaceOf searches all workspaces for a key whose record no longer says which
// one it is in. It returns "" if none has it.
func workspaceOf(tx *bolt.Tx, id apikey.ID) string {
	suffix := workspaceKey("", id)
	cursor := tx.Bucket(bucketWorkspaces).Cursor()
	for name, _ := cursor.First(); name != nil; name, _ = cursor.Next() {
		if workspace, ok := bytes.CutSuffix(name, suffix); ok {
			return string(workspace)
		}
	}
	return ""
}
