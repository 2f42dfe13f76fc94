package keystore

import (
	"encoding/binary"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
)

// The buckets of a store file.
var (
	bucketMeta       = []byte("meta")         // see metaMagic and the names after it
	bucketKeys       = []byte("keys")         // ID → key record
	bucketWorkspaces = []byte("workspaces")   // workspace, 0, ID → nothing
	bucketUsage      = []byte("usage")        // day, ID → usage record
	bucketLastUsed   = []byte("lastused")     // ID → time
	bucketAudit      = []byte("audit")        // sequence → audit entry
	bucketAuditByKey = []byte("audit_by_key") // ID, sequence → place, see AuditPlace; nothing before schema 4

	// Since schema 2.
	bucketTogether      = []byte("workspace_limits") // workspace → limits
	bucketTogetherUsage = []byte("workspace_usage")  // day, workspace → usage record
	bucketMinutes       = []byte("minute_buckets")   // k, ID or w, workspace → bucket
)

// Since schema 4: workspace, 0, number → sequence; workspace, 0 → the last number,
// if no entry is left. See [AuditPlace].
var bucketAuditByWorkspace = []byte("audit_by_workspace")

// Since schema 5.
var (
	bucketSeen     = []byte("seen")     // ID → what was seen of the key's use
	bucketWebhooks = []byte("webhooks") // what webhooks are still to be told
)

// Since schema 6.
var (
	bucketJournal = []byte("journal")         // what was used lately, see kindKeys
	bucketSettled = []byte("journal_settled") // ID → the last run of the journal that says nothing of the key any more
)

// buckets lists, for each schema from 1 on, the buckets that it adds.
var buckets = [][][]byte{
	{bucketMeta, bucketKeys, bucketWorkspaces, bucketUsage, bucketLastUsed, bucketAudit, bucketAuditByKey},
	{bucketTogether, bucketTogetherUsage, bucketMinutes},
	{},                       // a field of the key record
	{bucketAuditByWorkspace}, // and the account in the key record
	{bucketSeen, bucketWebhooks},
	{bucketJournal, bucketSettled},
}

// Names in the bucket meta.
var (
	metaMagic  = []byte("magic")  // magic
	metaSchema = []byte("schema") // 4 bytes, big endian
	metaBrand  = []byte("brand")  // the brand of tokens; absent before SetBrand

	metaWatched = []byte("watched") // since schema 5: the day from which on the use of scopes is watched, see watchedSince
)

var magic = []byte("keygate key store")

// schemaVersion is raised when an older Keygate could misread the file.
const schemaVersion = 6

// writeSchema creates the buckets of an empty store.
func writeSchema(tx *bolt.Tx) error {
	if _, err := tx.CreateBucket(bucketMeta); err != nil {
		return err
	}
	if err := tx.Bucket(bucketMeta).Put(metaMagic, magic); err != nil {
		return err
	}
	return upgradeSchema(tx)
}

// upgradeSchema adds what an older schema lacks.
func upgradeSchema(tx *bolt.Tx) error {
	unplaced := tx.Bucket(bucketAudit) != nil && tx.Bucket(bucketAuditByWorkspace) == nil
	for _, added := range buckets {
		for _, name := range added {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return fmt.Errorf("bucket %s: %w", name, err)
			}
		}
	}
	if unplaced {
		if err := placeTrail(tx); err != nil {
			return err
		}
	}
	if err := beginWatching(tx, time.Now()); err != nil {
		return err
	}
	return tx.Bucket(bucketMeta).Put(metaSchema, binary.BigEndian.AppendUint32(nil, schemaVersion))
}

// schemaOf returns the schema of a store that passed checkSchema.
func schemaOf(tx *bolt.Tx) uint32 {
	return binary.BigEndian.Uint32(tx.Bucket(bucketMeta).Get(metaSchema))
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
	for _, since := range buckets[:binary.BigEndian.Uint32(schema)] {
		for _, name := range since {
			if tx.Bucket(name) == nil {
				return fmt.Errorf("%w: its bucket %s is missing; %s", ErrDamaged, name, adviceDamaged)
			}
		}
	}
	return nil
}
