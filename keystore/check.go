package keystore

import (
	"bytes"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"github.com/socialpatra/keygate/apikey"
)

// Check implements [Store]. It checks every record, and also that keys agree with
// workspaces, and audit entries with the index of their keys. The store keeps
// serving meanwhile, and yield may call it. Every problem wraps [ErrDamaged] or
// [ErrNewer]. keys counts all key records, including those that do not verify.
func (b *Bolt) Check(yield func(name string, problem error)) (keys int, err error) {
	c := checker{reader: newKeyReader(), opaque: make(map[apikey.Hash]apikey.ID), told: make(map[uint64]bool)}
	for _, part := range []struct {
		bucket []byte
		check  func(tx *bolt.Tx, name, value []byte) (string, error)
	}{
		{bucketKeys, c.key},
		{bucketWorkspaces, c.workspace},
		{bucketUsage, c.usage},
		{bucketLastUsed, c.lastUsed},
		{bucketAudit, c.audit},
		{bucketAuditByKey, c.auditByKey},
		{bucketAuditByWorkspace, c.auditByWorkspace},
		{bucketTogether, c.together},
		{bucketTogetherUsage, c.togetherUsage},
		{bucketMinutes, c.minutes},
		{bucketWebhooks, c.outboxes},
		{bucketSeen, c.seen},
		{bucketJournal, c.journal},
		{bucketSettled, c.settled},
	} {
		err := b.eachRecord(part.bucket, []byte{}, func(tx *bolt.Tx, name, value []byte) func() {
			told, problem := part.check(tx, name, value)
			if problem == nil {
				return nil
			}
			return func() { yield(told, problem) }
		})
		if err != nil {
			return c.keys, err
		}
	}
	return c.keys, nil
}

// checker has one method for the records of each bucket. It returns the name to
// report for a record, and its problem.
type checker struct {
	keys   int
	reader *keyReader
	opaque map[apikey.Hash]apikey.ID
	told   map[uint64]bool // audit entries of whose places a problem was told
}

func (c *checker) key(tx *bolt.Tx, name, value []byte) (string, error) {
	c.keys++
	k, _, err := c.reader.read(name, value)
	if err != nil {
		return keyName(name), err
	}
	if k.Opaque {
		if other, ok := c.opaque[k.Hash]; ok && isOpaque(tx, other, k.Hash) {
			return keyName(name), errSameHash(k.ID, other)
		}
		c.opaque[k.Hash] = k.ID
	}
	if !has(tx, bucketWorkspaces, workspaceKey(k.Workspace, k.ID)) {
		return keyName(name), fmt.Errorf("%w: key %s is missing in the index of its workspace", ErrDamaged, k.ID)
	}
	return "", nil
}

// isOpaque looks up a key that an earlier page had. The key may be gone since,
// and its hash in use by another one.
func isOpaque(tx *bolt.Tx, id apikey.ID, hash apikey.Hash) bool {
	k, err := getKey(tx, id)
	return err == nil && k.Opaque && k.Hash == hash
}

func (c *checker) workspace(tx *bolt.Tx, name, _ []byte) (string, error) {
	workspace, id, ok := bytes.Cut(name, []byte{0})
	if !ok || len(id) != apikey.IDLen {
		return quoteName(name), fmt.Errorf("%w: %s in the index of workspaces is no workspace and key ID", ErrDamaged, quoteName(name))
	}
	value := tx.Bucket(bucketKeys).Get(id)
	if value == nil {
		return keyName(id), fmt.Errorf("%w: the index of workspaces has the key %s, which does not exist", ErrDamaged, keyName(id))
	}
	// A key record that does not verify was reported with the keys.
	if k, err := decodeKey(apikey.ID(id), value); err == nil && k.Workspace != string(workspace) {
		return keyName(id), fmt.Errorf("%w: the index of workspaces has the key %s in another workspace", ErrDamaged, keyName(id))
	}
	return "", nil
}

func (c *checker) usage(_ *bolt.Tx, name, value []byte) (string, error) {
	if _, err := decodeUsage(name, value); err != nil {
		return keyName(name[min(dayLen, len(name)):]), err
	}
	return "", nil
}

func (c *checker) lastUsed(_ *bolt.Tx, name, value []byte) (string, error) {
	if len(name) != apikey.IDLen {
		return quoteName(name), fmt.Errorf("%w: a last use under the name %s, which is no key ID", ErrDamaged, quoteName(name))
	}
	if _, err := decodeLastUsed(apikey.ID(name), value); err != nil {
		return keyName(name), err
	}
	return "", nil
}

func (c *checker) together(_ *bolt.Tx, name, value []byte) (string, error) {
	_, err := decodeLimits(name, value)
	return workspaceName(name), err
}

func (c *checker) togetherUsage(_ *bolt.Tx, name, value []byte) (string, error) {
	_, err := decodeTogether(name, value)
	return workspaceName(name[min(dayLen, len(name)):]), err
}

func (c *checker) seen(_ *bolt.Tx, name, value []byte) (string, error) {
	_, err := decodeSeen(name, value)
	return keyName(name), err
}

func (c *checker) minutes(_ *bolt.Tx, name, value []byte) (string, error) {
	_, err := decodeBucket(name, value)
	return quoteName(name), err
}

func (c *checker) outboxes(_ *bolt.Tx, name, value []byte) (string, error) {
	_, err := decodeOutboxRecord(name, value)
	return quoteName(name), err
}

func has(tx *bolt.Tx, bucket, name []byte) bool {
	found, _ := tx.Bucket(bucket).Cursor().Seek(name)
	return found != nil && bytes.Equal(found, name)
}

// keyName returns a key ID. What is not one is returned in quotes.
func keyName(name []byte) string {
	if id, err := apikey.ParseID(string(name)); err == nil {
		return id.String()
	}
	return quoteName(name)
}

func quoteName(name []byte) string { return fmt.Sprintf("%+q", name) }
