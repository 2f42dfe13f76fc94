package keystore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"

	bolt "go.etcd.io/bbolt"

	"github.com/socialpatra/keygate/apikey"
)

// AuditPlace is where an entry of the audit trail is in the trail of its workspace.
// Number counts the entries of the workspace from 1 on, in the order of its changes,
// without gaps: an entry that is pruned keeps its number. The zero AuditPlace is that
// of an entry of which nobody knows the workspace any more.
type AuditPlace struct {
	Workspace string
	Number    uint64
}

// encode returns what is stored with an entry of a key. It is sealed, because a
// damaged place would show one workspace's entries to another.
func (p AuditPlace) encode(name []byte) []byte {
	value := binary.BigEndian.AppendUint64(newSealed(seqLen+len(p.Workspace)), p.Number)
	return seal(bucketAuditByKey, name, append(value, p.Workspace...))
}

func decodePlace(name, value []byte) (AuditPlace, error) {
	fields, err := unseal(bucketAuditByKey, name, value)
	if err == nil && len(fields) < seqLen {
		err = fmt.Errorf("%w: %d bytes are left of it", ErrDamaged, len(fields))
	}
	if err != nil {
		return AuditPlace{}, err
	}
	return AuditPlace{string(fields[seqLen:]), binary.BigEndian.Uint64(fields)}, nil
}

// name is that of the place in bucketAuditByWorkspace.
func (p AuditPlace) name() []byte {
	return binary.BigEndian.AppendUint64(inTrailOf(p.Workspace), p.Number)
}

// inTrailOf begins the names of what a workspace has. No workspace has a zero byte.
func inTrailOf(workspace string) []byte {
	return append(append(make([]byte, 0, len(workspace)+1+seqLen), workspace...), 0)
}

// putPlaced adds an entry to the trail of its workspace.
func putPlaced(tx *bolt.Tx, at AuditPlace, seq uint64) error {
	name := at.name()
	value := binary.BigEndian.AppendUint64(newSealed(seqLen), seq)
	return tx.Bucket(bucketAuditByWorkspace).Put(name, seal(bucketAuditByWorkspace, name, value))
}

// putAllPlaced adds entries to the trails of their workspaces, in the order of the
// names. The first has the number first, and each has one more than the one before.
func putAllPlaced(tx *bolt.Tx, places []AuditPlace, first uint64) error {
	order := make([]int, len(places))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(x, y int) int { return strings.Compare(places[x].Workspace, places[y].Workspace) })
	for _, i := range order {
		if places[i].Number == 0 {
			continue
		}
		if err := putPlaced(tx, places[i], first+uint64(i)); err != nil {
			return err
		}
	}
	return nil
}

// placedSeq returns the sequence number that is stored at a place.
func placedSeq(name, value []byte) (uint64, error) {
	fields, err := unseal(bucketAuditByWorkspace, name, value)
	if err == nil && len(fields) != seqLen {
		err = fmt.Errorf("%w: it is no number", ErrDamaged)
	}
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint64(fields), nil
}

// lastNumber returns the last number in the trail of a workspace, 0 if it never had
// an entry.
func lastNumber(tx *bolt.Tx, workspace string) uint64 {
	prefix := inTrailOf(workspace)
	name, value := seekBefore(tx.Bucket(bucketAuditByWorkspace).Cursor(), append([]byte(workspace), 1))
	number, ok := bytes.CutPrefix(name, prefix)
	switch {
	case ok && len(number) == seqLen:
		return binary.BigEndian.Uint64(number)
	case ok && len(number) == 0:
		last, _ := placedSeq(name, value) // Check reports what is damaged
		return last
	}
	return 0
}

// putLastNumber notes the last number of a workspace that has no entry left.
func putLastNumber(tx *bolt.Tx, last AuditPlace) error {
	name := inTrailOf(last.Workspace)
	value := binary.BigEndian.AppendUint64(newSealed(seqLen), last.Number)
	return tx.Bucket(bucketAuditByWorkspace).Put(name, seal(bucketAuditByWorkspace, name, value))
}

// placedIn yields the numbers and the sequence numbers of the entries of a workspace
// below a number, newest first. A place that does not verify has the sequence number
// 0, which no entry has.
func placedIn(tx *bolt.Tx, workspace string, below uint64) iter.Seq2[uint64, uint64] {
	prefix := inTrailOf(workspace)
	return func(yield func(number, seq uint64) bool) {
		cursor := tx.Bucket(bucketAuditByWorkspace).Cursor()
		from := numberedName(prefix, before(AuditQuery{Before: below}))
		for name, value := seekBefore(cursor, from); name != nil; name, value = cursor.Prev() {
			number, ok := bytes.CutPrefix(name, prefix)
			if !ok || len(number) != seqLen {
				return
			}
			seq, _ := placedSeq(name, value)
			if !yield(binary.BigEndian.Uint64(number), seq) {
				return
			}
		}
	}
}

// placedOfKey yields the entries of a key, newest first, and stops at the first one that
// is of another workspace. So a key that is in another workspace now has none, whatever
// q.Before is.
func placedOfKey(tx *bolt.Tx, q AuditQuery) iter.Seq2[uint64, uint64] {
	return func(yield func(number, seq uint64) bool) {
		cursor := tx.Bucket(bucketAuditByKey).Cursor()
		for name, value := seekBefore(cursor, numberedName(q.Key[:], math.MaxUint64)); name != nil; name, value = cursor.Prev() {
			seq, ok := bytes.CutPrefix(name, q.Key[:])
			if !ok || len(seq) != seqLen {
				return
			}
			at, err := decodePlace(name, value)
			switch {
			case err != nil, at.Number == 0: // of no workspace
			case at.Workspace != q.Workspace:
				return
			case at.Number >= before(q):
			case !yield(at.Number, binary.BigEndian.Uint64(seq)):
				return
			}
		}
	}
}

// lastWorkspace returns the workspace of the last entry of a key, or "".
func lastWorkspace(tx *bolt.Tx, id apikey.ID) string {
	name, value := seekBefore(tx.Bucket(bucketAuditByKey).Cursor(), numberedName(id[:], math.MaxUint64))
	if !bytes.HasPrefix(name, id[:]) {
		return ""
	}
	at, _ := decodePlace(name, value)
	return at.Workspace
}

// placeOf returns the place that is stored with an entry of a key.
func placeOf(tx *bolt.Tx, id apikey.ID, seq []byte) (AuditPlace, error) {
	name := append(id[:], seq...)
	return decodePlace(name, tx.Bucket(bucketAuditByKey).Get(name))
}

// findPlace returns the place of an entry in the trail of a workspace. It halves the
// trail, in which sequence numbers grow as the numbers do.
func findPlace(tx *bolt.Tx, workspace string, seq uint64) (AuditPlace, bool) {
	prefix, cursor := inTrailOf(workspace), tx.Bucket(bucketAuditByWorkspace).Cursor()
	low, high := uint64(1), lastNumber(tx, workspace)
	for low <= high {
		at := AuditPlace{workspace, low + (high-low)/2}
		name, value := cursor.Seek(at.name())
		number, ok := bytes.CutPrefix(name, prefix)
		if !ok || len(number) != seqLen {
			return AuditPlace{}, false
		}
		at.Number = binary.BigEndian.Uint64(number) // of those before it, none is left
		found, err := placedSeq(name, value)
		switch {
		case err != nil:
			return AuditPlace{}, false
		case found == seq:
			return at, true
		case found < seq:
			low = at.Number + 1
		default:
			high = low + (high-low)/2 - 1
		}
	}
	return AuditPlace{}, false
}

// placesOf searches all workspaces for entries that no longer say which one they are
// about.
func placesOf(tx *bolt.Tx, seqs map[string]bool) (places []AuditPlace) {
	cursor := tx.Bucket(bucketAuditByWorkspace).Cursor()
	for name, value := cursor.First(); name != nil; name, value = cursor.Next() {
		at, ok := placeNamed(name)
		if seq, err := placedSeq(name, value); ok && err == nil && seqs[string(binary.BigEndian.AppendUint64(nil, seq))] {
			places = append(places, at)
		}
	}
	return places
}

// placeNamed undoes AuditPlace.name. It reports false for any other name.
func placeNamed(name []byte) (AuditPlace, bool) {
	workspace, number, ok := bytes.Cut(name, []byte{0})
	if !ok || len(number) != seqLen {
		return AuditPlace{}, false
	}
	return AuditPlace{string(workspace), binary.BigEndian.Uint64(number)}, true
}

// deletePlaces removes entries from the trails of their workspaces. places must include
// all older entries that are left of these trails. If a trail becomes empty, its last
// number is kept. That number is read before anything is removed: bbolt's cursor does
// not find the end of pages that the same transaction has emptied.
func deletePlaces(tx *bolt.Tx, places []AuditPlace) error {
	last := make(map[string]uint64)
	for _, at := range places {
		if _, ok := last[at.Workspace]; !ok {
			last[at.Workspace] = lastNumber(tx, at.Workspace)
		}
	}
	for _, at := range places {
		if err := tx.Bucket(bucketAuditByWorkspace).Delete(at.name()); err != nil {
			return err
		}
		if at.Number != last[at.Workspace] {
			continue
		}
		if err := putLastNumber(tx, at); err != nil {
			return err
		}
	}
	return nil
}

// errNoPlaces is why the trail of a workspace cannot be read.
var errNoPlaces = Unavailable(errors.New("an older Keygate made the key store, which has no trails of workspaces until this one opens it to write"))
