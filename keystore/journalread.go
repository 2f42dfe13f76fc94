package keystore

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	bolt "go.etcd.io/bbolt"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/socialpatra/keygate/apikey"
)

// journal is what is not folded yet, as one transaction sees it.
type journal struct {
	groups  []runGroup       // sorted by kind and day
	settled *bolt.Bucket     // nil: nothing is
	damaged map[string]error // by the name of a part; of those that were read
}

// runGroup are runs whose entries go to the same records.
type runGroup struct {
	kind byte
	day  apikey.Day
	runs []*run
}

// everything is a number that no run has.
const everything = math.MaxUint64

// readJournal finds the runs of some kinds up to a number. It reads no entry.
func readJournal(tx *bolt.Tx, kinds string, upTo uint64) *journal {
	j := &journal{damaged: make(map[string]error)}
	parts := tx.Bucket(bucketJournal)
	if parts == nil { // the store's schema is older than this bucket
		return j
	}
	if settled := tx.Bucket(bucketSettled); settled != nil {
		if name, _ := settled.Cursor().First(); name != nil {
			j.settled = settled
		}
	}
	var next [numberLen]byte
	cursor := parts.Cursor()
	for name, _ := cursor.First(); name != nil; {
		number, kind, day, ok := runOf(name)
		if !ok {
			j.damaged[string(name)] = errNoPart(name)
			name, _ = cursor.Next()
			continue
		}
		if number > upTo {
			break
		}
		if bytes.IndexByte([]byte(kinds), kind) >= 0 {
			j.add(&run{j: j, number: number, kind: kind, day: day, cursor: parts.Cursor()}, name)
		}
		binary.BigEndian.PutUint64(next[:], number+1)
		name, _ = cursor.Seek(next[:])
	}
	slices.SortFunc(j.groups, func(x, y runGroup) int { return x.compare(y.kind, y.day) })
	return j
}

func errNoPart(name []byte) error {
	return fmt.Errorf("%w: a record of the journal of use under the name %s", ErrDamaged, quoteName(name))
}

func (g *runGroup) compare(kind byte, day apikey.Day) int {
	return cmp.Or(cmp.Compare(g.kind, kind), cmp.Compare(g.day, day))
}

func (j *journal) add(r *run, first []byte) {
	r.nextName, r.nextValue = r.cursor.Seek(first)
	for i := range j.groups {
		if g := &j.groups[i]; g.compare(r.kind, r.day) == 0 {
			g.runs = append(g.runs, r)
			return
		}
	}
	j.groups = append(j.groups, runGroup{r.kind, r.day, []*run{r}})
}

// settledUpTo returns the number of the last run whose entries of a key are settled and
// do not count any more. If the record of that number does not verify, no entry of the
// key counts.
func (j *journal) settledUpTo(kind byte, name []byte) uint64 {
	if j.settled == nil || kind == kindWorkspaces {
		return 0
	}
	value := j.settled.Get(name)
	if value == nil {
		return 0
	}
	if number, err := decodeSettled(name, value); err == nil {
		return number
	}
	return everything
}

// run reads the entries of a run in the order of their names.
type run struct {
	j      *journal
	number uint64
	kind   byte
	day    apikey.Day

	cursor              *bolt.Cursor
	nextName, nextValue []byte // the part after the current one; nil: there is none

	part, rest   []byte // the name of the current part, and its entries behind the current one
	name, fields []byte // the current entry; nil: the run has not begun, or has ended
}

// to goes on to the first entry whose name is not before a name. Parts before it are
// not read.
func (r *run) to(name []byte) {
	if r.name != nil && bytes.Compare(r.name, name) >= 0 {
		return
	}
	for r.nextName != nil && bytes.Compare(r.nextName[runLen:], name) <= 0 {
		part, value := r.nextName, r.nextValue
		r.advance()
		if r.nextName == nil || bytes.Compare(r.nextName[runLen:], name) > 0 {
			r.open(part, value)
		}
	}
	for r.next() && bytes.Compare(r.name, name) < 0 {
	}
}

// next goes on to the next entry, and reports whether there is one.
func (r *run) next() bool {
	for {
		if len(r.rest) > 0 {
			if r.entry() {
				return true
			}
			r.rest = nil
		}
		if r.nextName == nil {
			r.name, r.fields = nil, nil
			return false
		}
		part, value := r.nextName, r.nextValue
		r.advance()
		r.open(part, value)
	}
}

// advance looks for the part after the next one.
func (r *run) advance() {
	r.nextName, r.nextValue = r.cursor.Next()
	if len(r.nextName) < numberLen || binary.BigEndian.Uint64(r.nextName) != r.number {
		r.nextName, r.nextValue = nil, nil
		return
	}
	if _, kind, day, ok := runOf(r.nextName); !ok || kind != r.kind || day != r.day {
		r.j.damaged[string(r.nextName)] = errNoPart(r.nextName)
		r.advance()
	}
}

// open begins a part. One that does not verify has no entries.
func (r *run) open(part, value []byte) {
	r.part = part
	rest, err := unseal(bucketJournal, part, value)
	if err != nil {
		r.spoil(err)
		rest = nil
	}
	r.rest = rest
}

func (r *run) spoil(err error) {
	r.j.damaged[string(r.part)] = fmt.Errorf("record %s of the journal of use: %w", partName(r.part), err)
}

// entry reads the next entry of the part.
func (r *run) entry() bool {
	name, n := protowire.ConsumeBytes(r.rest)
	if n < 0 {
		r.spoil(fmt.Errorf("%w: %w", ErrDamaged, protowire.ParseError(n)))
		return false
	}
	fields, m := protowire.ConsumeBytes(r.rest[n:])
	if m < 0 {
		r.spoil(fmt.Errorf("%w: %w", ErrDamaged, protowire.ParseError(m)))
		return false
	}
	r.name, r.fields, r.rest = name, fields, r.rest[n+m:]
	return true
}

// least returns the first name that a group has not passed, nil at the end.
func (g *runGroup) least() (name []byte) {
	for _, r := range g.runs {
		if r.name != nil && (name == nil || bytes.Compare(r.name, name) < 0) {
			name = r.name
		}
	}
	return name
}

// take calls use with the fields of each entry of a name that counts, which all runs
// of the group have reached, and passes it. It reports whether there was an entry.
func (j *journal) take(g *runGroup, name []byte, use func(fields []byte) error) (found bool) {
	var settled uint64
	for _, r := range g.runs {
		for r.name != nil && bytes.Equal(r.name, name) {
			if !found {
				found, settled = true, j.settledUpTo(g.kind, name)
			}
			if r.number > settled {
				if err := use(r.fields); err != nil {
					r.spoil(err)
				}
			}
			r.next()
		}
	}
	return found
}

// The number up to which entries of a key are settled is a varint.

func encodeSettled(name []byte, number uint64) []byte {
	return seal(bucketSettled, name, protowire.AppendVarint(newSealed(10), number))
}

func decodeSettled(name, value []byte) (uint64, error) {
	fields, err := unseal(bucketSettled, name, value)
	if err == nil {
		number, n := protowire.ConsumeVarint(fields)
		if n == len(fields) {
			return number, nil
		}
		err = fmt.Errorf("%w: it is no number", ErrDamaged)
	}
	return 0, fmt.Errorf("what is settled of key %s: %w", keyName(name), err)
}
