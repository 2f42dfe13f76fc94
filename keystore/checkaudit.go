package keystore

import (
	"bytes"
	"encoding/binary"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"github.com/socialpatra/keygate/apikey"
)

func (c *checker) audit(tx *bolt.Tx, name, value []byte) (string, error) {
	if len(name) != seqLen {
		return quoteName(name), fmt.Errorf("%w: an audit entry under the name %s, which is no number", ErrDamaged, quoteName(name))
	}
	seq := binary.BigEndian.Uint64(name)
	var e AuditEntry
	err := decodeAudit(name, value, &e)
	switch {
	case err != nil:
		return fmt.Sprintf("audit entry %d", seq), fmt.Errorf("audit entry %d: %w", seq, err)
	case e.Seq != seq:
		return keyName(e.Key[:]), fmt.Errorf("%w: audit entry %d is numbered %d", ErrDamaged, seq, e.Seq)
	case e.Key.IsZero() && e.Workspace == "":
		return fmt.Sprintf("audit entry %d", seq), fmt.Errorf("%w: audit entry %d names neither key nor workspace", ErrDamaged, seq)
	case e.Key.IsZero():
		if tx.Bucket(bucketAuditByWorkspace) == nil { // the store's schema is older
			break
		}
		if _, ok := findPlace(tx, e.Workspace, seq); !ok {
			return workspaceName([]byte(e.Workspace)), fmt.Errorf("%w: audit entry %d is missing in the trail of workspace %s", ErrDamaged, seq, e.Workspace)
		}
	case !has(tx, bucketAuditByKey, append(e.Key[:], name...)):
		return keyName(e.Key[:]), fmt.Errorf("%w: audit entry %d is missing in the index of key %s", ErrDamaged, seq, e.Key)
	}
	return "", nil
}

func (c *checker) auditByKey(tx *bolt.Tx, name, value []byte) (string, error) {
	if len(name) != apikey.IDLen+seqLen {
		return quoteName(name), fmt.Errorf("%w: %s in the index of audit entries is no key ID and number", ErrDamaged, quoteName(name))
	}
	id, seq := name[:apikey.IDLen], name[apikey.IDLen:]
	if !has(tx, bucketAudit, seq) {
		c.told[binary.BigEndian.Uint64(seq)] = true
		return keyName(id), fmt.Errorf("%w: the audit trail of key %s lacks entry %d", ErrDamaged, keyName(id), binary.BigEndian.Uint64(seq))
	}
	if tx.Bucket(bucketAuditByWorkspace) == nil { // the store's schema is older than places
		return "", nil
	}
	at, err := decodePlace(name, value)
	if err != nil {
		return keyName(id), fmt.Errorf("the workspace of audit entry %d: %w", binary.BigEndian.Uint64(seq), err)
	}
	if at.Number > 0 && !has(tx, bucketAuditByWorkspace, at.name()) {
		c.told[binary.BigEndian.Uint64(seq)] = true
		return keyName(id), fmt.Errorf("%w: audit entry %d is missing in the trail of workspace %s", ErrDamaged, binary.BigEndian.Uint64(seq), at.Workspace)
	}
	return "", nil
}

// auditByWorkspace checks a place in the trail of a workspace: it must follow the place
// before it, and the entry that it leads to must name the same place.
func (c *checker) auditByWorkspace(tx *bolt.Tx, name, value []byte) (string, error) {
	workspace, number, ok := bytes.Cut(name, []byte{0})
	if !ok || apikey.CheckWorkspace(string(workspace)) != nil || len(number) != seqLen && len(number) != 0 {
		return quoteName(name), fmt.Errorf("%w: %s in the trails of workspaces is no workspace and number", ErrDamaged, quoteName(name))
	}
	seq, err := placedSeq(name, value)
	if err != nil {
		return string(workspace), fmt.Errorf("an entry of the trail of workspace %s: %w", workspace, err)
	}
	at, ok := placeNamed(name)
	if !ok { // its last number
		return "", nil
	}
	if problem := wrongPlace(tx, at, seq); problem != "" && !c.told[seq] {
		return at.Workspace, fmt.Errorf("%w: entry %d of the trail of workspace %s %s", ErrDamaged, at.Number, at.Workspace, problem)
	}
	return "", nil
}

// wrongPlace says what is wrong with the place of an entry, or "". An entry that
// does not verify was reported with the trail.
func wrongPlace(tx *bolt.Tx, at AuditPlace, seq uint64) string {
	cursor := tx.Bucket(bucketAuditByWorkspace).Cursor()
	if before, value := seekBefore(cursor, at.name()); before != nil {
		if last, ok := placeNamed(before); ok && last.Workspace == at.Workspace {
			if older, err := placedSeq(before, value); last.Number != at.Number-1 || err == nil && older >= seq {
				return "does not follow the one before it"
			}
		}
	}
	name := binary.BigEndian.AppendUint64(nil, seq)
	entry := tx.Bucket(bucketAudit).Get(name)
	if entry == nil {
		return "is missing in the trail of all"
	}
	var e keyEntry
	if decodeAudit(name, entry, &e) != nil {
		return ""
	}
	there := AuditPlace{e.Workspace, at.Number}
	if !e.Key.IsZero() {
		var err error
		if there, err = placeOf(tx, e.Key, name); err != nil {
			return "" // reported with the index of keys
		}
	}
	if there != at {
		return "is of another workspace"
	}
	return ""
}
