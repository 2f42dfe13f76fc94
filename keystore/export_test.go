package keystore

import (
	"encoding/binary"
	"encoding/json"
	"errors"

	bolt "go.etcd.io/bbolt"

	"github.com/socialpatra/keygate/apikey"
)

// Tamper writes to a store file, which must not be open, what a store never
// would: damaged records, keys, and entries of the audit trail.
func Tamper(path string, damaged []apikey.ID, keys []apikey.Key, audit []AuditEntry) error {
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bolt.Tx) error {
		var failed error
		for _, id := range damaged {
			failed = errors.Join(failed, tx.Bucket(bucketKeys).Put(id[:], []byte("rubbish")))
		}
		for _, k := range keys {
			failed = errors.Join(failed, putKey(tx, &k))
		}
		for _, e := range audit {
			text, err := json.Marshal(e)
			name := binary.BigEndian.AppendUint64(nil, e.Seq)
			value := seal(bucketAudit, name, append(newSealed(len(text)), text...))
			trail := tx.Bucket(bucketAudit)
			failed = errors.Join(failed, err, trail.Put(name, value), trail.SetSequence(max(trail.Sequence(), e.Seq)))
		}
		return failed
	})
	return errors.Join(err, db.Close())
}
