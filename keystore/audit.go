package keystore

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/socialpatra/keygate/apikey"
)

const seqLen = 8

// actionDamaged is the action of an entry that does not verify. The entry is
// shown with it rather than left out, and the entries around it stay readable.
const actionDamaged = "(damaged entry)"

// addAudit records a change from one key to the other in the transaction that
// makes it. Either key may be nil.
func addAudit(tx *bolt.Tx, action string, from, to *apikey.Key, by Actor) error {
	changed, err := changes(from, to, by.At)
	if err != nil {
		return err
	}
	k := from
	if k == nil {
		k = to
	}
	return putAudit(tx, by.Entry(action, k.ID), changed)
}

// Entry returns an entry of the trail about a change by the actor, without its
// changes and its sequence number.
func (a Actor) Entry(action string, id apikey.ID) AuditEntry {
	return AuditEntry{At: a.At.UTC(), Via: a.Via, By: a.By, Claimed: a.Claimed, Action: action, Reason: a.Reason, Key: id}
}

// putAudit appends an entry to the trail. changed holds its changes as
// appendChanges writes them; putAudit does not keep the slice.
func putAudit(tx *bolt.Tx, e AuditEntry, changed []byte) error {
	audit := tx.Bucket(bucketAudit)
	audit.FillPercent = 1 // entries are only ever appended
	seq, err := audit.NextSequence()
	if err != nil {
		return err
	}
	e.Seq = seq
	fields, err := encodeAudit(e, changed)
	if err != nil {
		return err
	}
	name := binary.BigEndian.AppendUint64(nil, seq)
	if err := audit.Put(name, seal(bucketAudit, name, fields)); err != nil {
		return err
	}
	if e.Key.IsZero() { // the entry is about a workspace
		return nil
	}
	return tx.Bucket(bucketAuditByKey).Put(append(e.Key[:], name...), nil)
}

// encodeAudit returns a value to seal: the JSON of e with its changes. The JSON
// is written by hand, because with encoding/json an import takes a third longer.
func encodeAudit(e AuditEntry, changed []byte) ([]byte, error) {
	via, viaErr := json.Marshal(e.Via)
	action, err := json.Marshal(e.Action)
	if err = errors.Join(viaErr, err); err != nil {
		return nil, fmt.Errorf("the audit entry: %w", err)
	}
	const room = 128 // for the names, the number, the time and the ID
	b := newSealed(room + len(via) + len(e.By) + len(action) + len(e.Reason) + len(changed))
	b = strconv.AppendUint(append(b, `{"seq":`...), e.Seq, 10)
	b = e.At.AppendFormat(append(b, `,"at":"`...), time.RFC3339Nano)
	b = append(append(b, `","via":`...), via...)
	if e.By != "" {
		by, err := json.Marshal(e.By)
		if err != nil {
			return nil, fmt.Errorf("the audit entry: %w", err)
		}
		b = append(append(b, `,"by":`...), by...)
	}
	if e.Claimed {
		b = append(b, `,"by_claimed":true`...)
	}
	b = append(append(b, `,"action":`...), action...)
	if e.Reason != "" {
		reason, err := json.Marshal(e.Reason)
		if err != nil {
			return nil, fmt.Errorf("the audit entry: %w", err)
		}
		b = append(append(b, `,"reason":`...), reason...)
	}
	if !e.Key.IsZero() {
		b = append(append(b, `,"key_id":"`...), e.Key.String()...)
		b = append(b, '"')
	}
	if len(changed) > 0 {
		b = append(append(b, `,"changes":`...), changed...)
	}
	if e.Workspace != "" { // no character of it needs escaping
		b = append(append(b, `,"workspace":"`...), e.Workspace...)
		b = append(b, '"')
	}
	return append(b, '}'), nil
}

// Audit implements [Store]. An entry that does not verify is returned with only
// its Seq and the Action "(damaged entry)".
func (b *Bolt) Audit(q AuditQuery) (AuditPage, error) {
	limit := pageSize(q.Limit)
	var page AuditPage
	err := b.view(func(tx *bolt.Tx) error {
		for seq := range auditSeqs(tx, q) {
			if len(page.Entries) == limit {
				page.Next = page.Entries[limit-1].Seq
				return nil
			}
			page.Entries = append(page.Entries, getAudit(tx, seq, q.Key))
		}
		return nil
	})
	if err != nil {
		return AuditPage{}, err
	}
	return page, nil
}

// auditSeqs yields the sequence numbers of the entries that q selects, newest
// first.
func auditSeqs(tx *bolt.Tx, q AuditQuery) func(yield func(uint64) bool) {
	bucket, prefix := bucketAudit, []byte(nil)
	if !q.Key.IsZero() {
		bucket, prefix = bucketAuditByKey, q.Key[:]
	}
	before := q.Before
	if before == 0 {
		before = 1<<64 - 1 // never reached by counting
	}
	return func(yield func(uint64) bool) {
		cursor := tx.Bucket(bucket).Cursor()
		for name, _ := seekBefore(cursor, binary.BigEndian.AppendUint64(slices.Clip(prefix), before)); name != nil; name, _ = cursor.Prev() {
			seq, ok := bytes.CutPrefix(name, prefix)
			if !ok || len(seq) != seqLen || !yield(binary.BigEndian.Uint64(seq)) {
				return
			}
		}
	}
}

// seekBefore moves the cursor to the last name that is less than name.
func seekBefore(cursor *bolt.Cursor, name []byte) (found, value []byte) {
	if found, _ := cursor.Seek(name); found == nil {
		return cursor.Last()
	}
	return cursor.Prev()
}

func getAudit(tx *bolt.Tx, seq uint64, key apikey.ID) AuditEntry {
	name := binary.BigEndian.AppendUint64(nil, seq)
	var e AuditEntry
	if err := decodeAudit(name, tx.Bucket(bucketAudit).Get(name), &e); err != nil {
		return AuditEntry{Seq: seq, Key: key, Action: actionDamaged}
	}
	return e
}

// decodeAudit reads an entry into the struct that v points to. Fields that the
// struct lacks are dropped.
func decodeAudit(name, value []byte, v any) error {
	fields, err := unseal(bucketAudit, name, value)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(fields, v); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return nil
}
