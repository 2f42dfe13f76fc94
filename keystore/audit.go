package keystore

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
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
	return putAudit(tx, by.Entry(action, k.ID), k.Workspace, changed)
}

// Entry returns an entry of the trail about a change by the actor, without its
// changes and its sequence number.
func (a Actor) Entry(action string, id apikey.ID) AuditEntry {
	return AuditEntry{At: a.At.UTC(), Via: a.Via, By: a.By, Claimed: a.Claimed, Action: action, Reason: a.Reason, Key: id}
}

// putAudit appends an entry to the trail, and to that of a workspace unless it is
// "". changed holds its changes as appendChanges writes them; putAudit does not keep
// the slice.
func putAudit(tx *bolt.Tx, e AuditEntry, workspace string, changed []byte) error {
	var at AuditPlace
	if workspace != "" {
		at = AuditPlace{workspace, lastNumber(tx, workspace) + 1}
	}
	seq, err := tx.Bucket(bucketAudit).NextSequence()
	if err != nil {
		return err
	}
	e.Seq = seq
	if err := putEntry(tx, e, at, changed); err != nil || at.Number == 0 {
		return err
	}
	return putPlaced(tx, at, seq)
}

// putEntry stores an entry, and what its key has of it.
func putEntry(tx *bolt.Tx, e AuditEntry, at AuditPlace, changed []byte) error {
	audit := tx.Bucket(bucketAudit)
	audit.FillPercent = 1 // entries are only ever appended
	fields, err := encodeAudit(e, changed)
	if err != nil {
		return err
	}
	name := binary.BigEndian.AppendUint64(nil, e.Seq)
	if err := audit.Put(name, seal(bucketAudit, name, fields)); err != nil {
		return err
	}
	if e.Key.IsZero() { // the entry is about a workspace
		return nil
	}
	name = append(e.Key[:], name...)
	return tx.Bucket(bucketAuditByKey).Put(name, at.encode(name))
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
		if q.Workspace != "" && tx.Bucket(bucketAuditByWorkspace) == nil {
			return errNoPlaces
		}
		for number, seq := range auditSeqs(tx, q) {
			if len(page.Entries) == limit {
				page.Next = page.Entries[limit-1].Seq
				return nil
			}
			e := getAudit(tx, seq, q.Key)
			e.Seq = number
			page.Entries = append(page.Entries, e)
		}
		return nil
	})
	if err != nil {
		return AuditPage{}, err
	}
	return page, nil
}

// auditSeqs yields the entries that q selects, newest first: the numbers that the
// answer has for them, and their sequence numbers. These differ for the trail of a
// workspace.
func auditSeqs(tx *bolt.Tx, q AuditQuery) iter.Seq2[uint64, uint64] {
	switch {
	case q.Workspace != "" && !q.Key.IsZero():
		return placedOfKey(tx, q)
	case q.Workspace != "":
		return placedIn(tx, q.Workspace, q.Before)
	}
	bucket, prefix := bucketAudit, []byte(nil)
	if !q.Key.IsZero() {
		bucket, prefix = bucketAuditByKey, q.Key[:]
	}
	return func(yield func(number, seq uint64) bool) {
		cursor := tx.Bucket(bucket).Cursor()
		for name, _ := seekBefore(cursor, numberedName(prefix, before(q))); name != nil; name, _ = cursor.Prev() {
			text, ok := bytes.CutPrefix(name, prefix)
			if !ok || len(text) != seqLen {
				return
			}
			if seq := binary.BigEndian.Uint64(text); !yield(seq, seq) {
				return
			}
		}
	}
}

// before returns the number that all entries of q are below.
func before(q AuditQuery) uint64 {
	if q.Before == 0 {
		return math.MaxUint64 // never reached by counting
	}
	return q.Before
}

func numberedName(prefix []byte, number uint64) []byte {
	return binary.BigEndian.AppendUint64(slices.Clip(prefix), number)
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
