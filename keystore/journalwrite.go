package keystore

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	bolt "go.etcd.io/bbolt"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/socialpatra/keygate/apikey"
)

// journalWriter appends to the journal.
type journalWriter struct {
	parts  *bolt.Bucket
	name   []byte // of the part
	value  []byte // newSealed, and the entries; nil: there are none
	last   []byte // the name of the last entry
	fields []byte // of the entry to be added
	size   int    // of all values
}

// useOrder is the place of the use of a key among that of others: sorting these is
// quicker than sorting what they stand for.
type useOrder struct {
	day  apikey.Day
	head uint64 // of the ID
	tail uint32
	at   uint32 // in what was not sorted
}

// sortUse returns the order of the use of keys, by day and ID. It reuses memory.
func sortUse(order []useOrder, keys []apikey.Usage) []useOrder {
	order = slices.Grow(order[:0], len(keys))
	for i := range keys {
		u := &keys[i]
		order = append(order, useOrder{u.Day, binary.BigEndian.Uint64(u.ID[:]), binary.BigEndian.Uint32(u.ID[8:]), uint32(i)})
	}
	slices.SortFunc(order, func(x, y useOrder) int {
		switch {
		case x.day != y.day:
			return cmp.Compare(x.day, y.day)
		case x.head != y.head:
			return cmp.Compare(x.head, y.head)
		}
		return cmp.Compare(x.tail, y.tail)
	})
	return order
}

// appendUse appends what one save has; workspaces are sorted by day and name. It
// returns how many bytes it wrote.
func appendUse(tx *bolt.Tx, keys []apikey.Usage, order []useOrder, workspaces []apikey.WorkspaceUsage) (size int, err error) {
	w := journalWriter{parts: tx.Bucket(bucketJournal)}
	w.parts.FillPercent = bulkFill
	for len(order) > 0 {
		n := 1
		for n < len(order) && order[n].day == order[0].day {
			n++
		}
		if err := w.addDay(keys, order[:n]); err != nil {
			return 0, err
		}
		order = order[n:]
	}
	for i := range workspaces {
		u := &workspaces[i]
		if i == 0 || workspaces[i-1].Day != u.Day {
			if err := w.begin(kindWorkspaces, u.Day); err != nil {
				return 0, err
			}
		}
		w.fields = appendVarint(w.fields[:0], fieldCharged, u.Charged)
		if err := w.add([]byte(u.Workspace)); err != nil {
			return 0, err
		}
	}
	return w.size, w.flush()
}

// addDay adds what keys did on one day, and then what was seen of them.
func (w *journalWriter) addDay(keys []apikey.Usage, order []useOrder) error {
	if err := w.begin(kindKeys, order[0].day); err != nil {
		return err
	}
	for _, o := range order {
		u := &keys[o.at]
		if u.Seen != nil && !u.Counts() {
			continue
		}
		w.fields = appendUsage(w.fields[:0], u)
		if err := w.add(u.ID[:]); err != nil {
			return err
		}
	}
	if err := w.begin(kindSeen, order[0].day); err != nil {
		return err
	}
	for _, o := range order {
		u := &keys[o.at]
		if u.Seen == nil {
			continue
		}
		w.fields = appendSighting(w.fields[:0], u.Seen)
		if err := w.add(u.ID[:]); err != nil {
			return err
		}
	}
	return nil
}

// begin begins a run. It takes a number only once it has an entry.
func (w *journalWriter) begin(kind byte, day apikey.Day) error {
	if err := w.flush(); err != nil {
		return err
	}
	w.name = appendDay(append(w.name[:0], 0, 0, 0, 0, 0, 0, 0, 0, kind), day)
	return nil
}

// add adds an entry with the fields. bbolt keeps what it is told to put until the transaction is
// written, so that every part has memory of its own.
func (w *journalWriter) add(name []byte) error {
	if len(w.value) >= partLength && !bytes.Equal(name, w.last) {
		run := w.name[:runLen]
		if err := w.flush(); err != nil {
			return err
		}
		w.name = run
	}
	if w.value == nil {
		if err := w.number(); err != nil {
			return err
		}
		w.name = append(w.name[:runLen:runLen], name...)
		w.value = newSealed(partLength + 256)
	}
	w.last = append(w.last[:0], name...)
	w.value = protowire.AppendBytes(protowire.AppendBytes(w.value, name), w.fields)
	return nil
}

func (w *journalWriter) number() error {
	if binary.BigEndian.Uint64(w.name) != 0 {
		return nil
	}
	number, err := w.parts.NextSequence()
	if err == nil {
		binary.BigEndian.PutUint64(w.name, number)
	}
	return err
}

func (w *journalWriter) flush() error {
	if w.value == nil {
		return nil
	}
	value := seal(bucketJournal, w.name, w.value)
	w.size, w.value = w.size+len(value), nil
	return w.parts.Put(w.name, value)
}
