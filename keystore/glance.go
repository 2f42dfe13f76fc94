package keystore

import (
	"time"

	bolt "go.etcd.io/bbolt"
)

// Glance is what can be told of a store file in no time.
type Glance struct {
	Schema uint32
	Empty  bool      // it has no keys
	Newest time.Time // of its last audit entries; zero: there are none
}

// glanced is how many audit entries a glance looks at.
const glanced = 1000

// GlanceAt opens the store file at path for reading, looks at a few records, and
// closes it. It changes nothing, and holds its lock, shared, for milliseconds only:
// a gateway that starts meanwhile waits for it. The error is that of [OpenBolt].
func GlanceAt(path string) (*Glance, error) {
	db, _, err := openDB(path, 0, reading)
	if err != nil {
		return nil, pathError(path, err)
	}
	defer db.Close()
	g := new(Glance)
	err = guarded(func() error {
		return db.View(func(tx *bolt.Tx) error {
			g.Schema = schemaOf(tx)
			first, _ := tx.Bucket(bucketKeys).Cursor().First()
			g.Empty = first == nil
			cursor := tx.Bucket(bucketAudit).Cursor()
			name, value := cursor.Last()
			for n := 0; name != nil && n < glanced; n++ {
				var e AuditEntry
				if decodeAudit(name, value, &e) == nil && e.At.After(g.Newest) {
					g.Newest = e.At
				}
				name, value = cursor.Prev()
			}
			return nil
		})
	})
	if err != nil {
		return nil, pathError(path, err)
	}
	return g, nil
}

// LockHolder returns the process that holds the lock on the file at path. pid is 0
// if the process cannot be seen from here. The error says why nothing is known.
func LockHolder(path string) (pid int, held bool, err error) {
	return lockHolderOf(path)
}
