package keystore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
)

// seenEvery is how old the stored time of an outbox's last use may get before it is
// written again.
const seenEvery = time.Hour

// AuditAfter implements [Store].
func (b *Bolt) AuditAfter(seq uint64, limit int) (entries []PlacedEntry, last uint64, err error) {
	err = b.view(func(tx *bolt.Tx) error {
		if last = tx.Bucket(bucketAudit).Sequence(); seq >= last {
			return nil
		}
		cursor := tx.Bucket(bucketAudit).Cursor()
		name, _ := cursor.Seek(numberedName(nil, seq+1))
		for ; name != nil && len(entries) < limit; name, _ = cursor.Next() {
			if len(name) != seqLen {
				continue // Check reports it
			}
			entries = append(entries, placedEntry(tx, binary.BigEndian.Uint64(name)))
		}
		return nil
	})
	return entries, last, err
}

func placedEntry(tx *bolt.Tx, seq uint64) PlacedEntry {
	e := PlacedEntry{AuditEntry: getAudit(tx, seq, [12]byte{})}
	e.Seq, e.Of = seq, e.Workspace
	if !e.Key.IsZero() {
		at, _ := placeOf(tx, e.Key, numberedName(nil, seq)) // Check reports what is damaged
		e.Of = at.Workspace
	}
	return e
}

// OpenOutbox implements [Store].
func (b *Bolt) OpenOutbox(name, _ string, now time.Time) (box Outbox, held bool, err error) {
	b.writing.Lock()
	defer b.writing.Unlock()
	state, known, err := b.outboxState(name)
	if err != nil {
		return box, false, err
	}
	err = b.view(func(tx *bolt.Tx) error {
		last := tx.Bucket(bucketAudit).Sequence()
		if !known || state.Place > last {
			state.Place, known = last, false
		}
		box = readOutbox(tx, name)
		return nil
	})
	if err != nil {
		return box, false, err
	}
	if !known || now.Sub(state.Seen) >= seenEvery {
		err = b.commit(func(tx *bolt.Tx) error { return putOutboxState(tx, name, outboxState{state.Place, now}) })
	}
	box.Place = state.Place
	return box, err == nil, err
}

// outboxState returns the state of an outbox; none if there is none that can be read.
func (b *Bolt) outboxState(name string) (state outboxState, known bool, err error) {
	err = b.view(func(tx *bolt.Tx) error {
		value := tx.Bucket(bucketWebhooks).Get([]byte(name))
		if value == nil {
			return nil
		}
		var damaged error
		state, damaged = decodeOutboxState([]byte(name), value) // Check reports it
		known = damaged == nil
		return nil
	})
	return state, known, err
}

func putOutboxState(tx *bolt.Tx, name string, state outboxState) error {
	state.Seen = state.Seen.UTC()
	value, err := sealJSON(bucketWebhooks, []byte(name), state)
	if err != nil {
		return fmt.Errorf("outbox %s: %w", name, err)
	}
	return tx.Bucket(bucketWebhooks).Put([]byte(name), value)
}

func readOutbox(tx *bolt.Tx, name string) (box Outbox) {
	prefix, cursor := inOutbox(name), tx.Bucket(bucketWebhooks).Cursor()
	for record, value := cursor.Seek(prefix); bytes.HasPrefix(record, prefix); record, value = cursor.Next() {
		m, err := decodeOutboxRecord(record, value)
		switch {
		case err == nil:
			m.Body = slices.Clone(m.Body)
			box.Messages = append(box.Messages, m)
		case m.Kind != "":
			box.Damaged = append(box.Damaged, m.MessageName)
		}
	}
	return box
}

// KeepOutbox implements [Store].
func (b *Bolt) KeepOutbox(name, _ string, now time.Time) (held bool, err error) {
	b.writing.Lock()
	defer b.writing.Unlock()
	state, known, err := b.outboxState(name)
	if err != nil || !known || now.Sub(state.Seen) < seenEvery {
		return known, err
	}
	state.Seen = now
	return true, b.commit(func(tx *bolt.Tx) error { return putOutboxState(tx, name, state) })
}

// ChangeOutbox implements [Store].
func (b *Bolt) ChangeOutbox(name, _ string, c OutboxChange) error {
	b.writing.Lock()
	defer b.writing.Unlock()
	state, known, err := b.outboxState(name)
	if err != nil {
		return err
	}
	if !known || state.Place != c.From {
		return ErrOutboxLost
	}
	state.Place = c.To
	return b.commit(func(tx *bolt.Tx) error {
		if c.From != c.To {
			if err := putOutboxState(tx, name, state); err != nil {
				return err
			}
		}
		for i := range c.Put {
			if err := putMessage(tx, name, &c.Put[i]); err != nil {
				return err
			}
		}
		for _, m := range c.Drop {
			if err := tx.Bucket(bucketWebhooks).Delete(m.recordName(name)); err != nil {
				return err
			}
		}
		return nil
	})
}

func putMessage(tx *bolt.Tx, outbox string, m *Message) error {
	fields, err := EncodeMessage(m)
	if err != nil {
		return err
	}
	name := m.recordName(outbox)
	value := append(newSealed(len(fields)), fields...)
	return tx.Bucket(bucketWebhooks).Put(name, seal(bucketWebhooks, name, value))
}

// LeaveOutbox implements [Store].
func (b *Bolt) LeaveOutbox(string, string) error {
	if b.closed.Load() {
		return ErrClosed
	}
	return nil
}

// ForgetOutboxes implements [Store].
func (b *Bolt) ForgetOutboxes(before time.Time) (messages int, err error) {
	b.writing.Lock()
	defer b.writing.Unlock()
	var names [][]byte
	err = b.view(func(tx *bolt.Tx) error {
		wanted := make(map[string]bool)
		return tx.Bucket(bucketWebhooks).ForEach(func(name, value []byte) error {
			outbox, m, err := messageNamed(name)
			if err != nil {
				return nil //nolint:nilerr // Check reports it
			}
			if m.Kind == "" { // the state is before the messages
				state, err := decodeOutboxState(name, value)
				wanted[outbox] = err == nil && !state.Seen.Before(before)
			}
			if !wanted[outbox] {
				names = append(names, slices.Clone(name))
				messages += min(len(m.Kind), 1)
			}
			return nil
		})
	})
	if err != nil || len(names) == 0 {
		return 0, err
	}
	if err := b.commit(func(tx *bolt.Tx) error { return deleteAll(tx.Bucket(bucketWebhooks), names) }); err != nil {
		return 0, err
	}
	return messages, nil
}

// Outbox adds an outbox with its messages.
func (f *Builder) Outbox(name string, seen time.Time, box Outbox) error {
	err := f.put(func(tx *bolt.Tx) error { return putOutboxState(tx, name, outboxState{box.Place, seen}) })
	for i := range box.Messages {
		err = errors.Join(err, f.put(func(tx *bolt.Tx) error { return putMessage(tx, name, &box.Messages[i]) }))
	}
	return err
}
