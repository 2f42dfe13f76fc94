package keystore

import (
	"encoding/binary"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// The buckets of a store file.
var (
	bucketMeta       = []byte("meta")         // see the names below
	bucketKeys       = []byte("keys")         // ID → key record
	bucketWorkspaces = []byte("workspaces")   // workspace, 0, ID → nothing
	bucketUsage      = []byte("usage")        // day, ID → usage record
	bucketLastUsed   = []byte("lastused")     // ID → time
	bucketAudit      = []byte("audit")        // sequence → audit entry
	bucketAuditByKey = []byte("audit_by_key") // ID, sequence → nothing
)

var buckets = [][]byte{
	bucketMeta, bucketKeys, bucketWorkspaces, bucketUsage, bucketLastUsed, bucketAudit, bucketAuditByKey,
}

// What the bucket meta holds.
var (
	metaMagic  = []byte("magic")  // magic
	metaSchema = []byte("schema") // 4 bytes, big endian
	metaBrand  = []byte("brand")  // as in tokens, absent before SetBrand
)

var magic = []byte("keygate key store")

// schemaVersion changes when an older Keygate could misread the file.
const schemaVersion = 1

// writeSchema lays out an empty store.
func writeSchema(tx *bolt.Tx) error {
	for _, name := range buckets {
		if _, err := tx.CreateBucket(name); err != nil {
			return fmt.Errorf("bucket %s: %w", name, err)
		}
	}
	meta := tx.Bucket(bucketMeta)
	if err := meta.Put(metaMagic, magic); err != nil {
		return err
	}
	return meta.Put(metaSchema, binary.BigEndian.AppendUint32(nil, schemaVersion))
}

// checkSchema refuses what is not a store that this Keygate can use.
func checkSchema(tx *bolt.Tx) error {
	meta := tx.Bucket(bucketMeta)
	if meta == nil || string(meta.Get(metaMagic)) != string(magic) {
		return errNotAStore
	}
	schema := meta.Get(metaSchema)
	if len(schema) != 4 || binary.BigEndian.Uint32(schema) == 0 {
		return fmt.Errorf("%w: its schema version cannot be read; %s", ErrDamaged, adviceDamaged)
	}
	if v := binary.BigEndian.Uint32(schema); v > schemaVersion {
		return fmt.Errorf("%w (schema %d, this one knows %d): run that version, or restore a backup from before the upgrade",
			ErrNewer, v, schemaVersion)
	}
	for _, name := range buckets {
		if tx.Bucket(name) == nil {
			return fmt.Errorf("%w: its bucket %s is missing; %s", ErrDamaged, name, adviceDamaged)
		}
	}
	return nil
}
