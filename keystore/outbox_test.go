package keystore

import (
	"errors"
	"slices"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

// TestDamagedOutbox spoils what an outbox consists of. What can be read is kept, the
// rest is told of.
func TestDamagedOutbox(t *testing.T) {
	path := writeStore(t, 3)
	b := openTest(t, path)
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	for _, name := range []string{"box", "lost"} {
		if _, _, err := b.OpenOutbox(name, "", at); err != nil {
			t.Fatal(err)
		}
		var put []Message
		for seq := range uint64(3) {
			put = append(put, Message{MessageName{seq, "x"}, "msg", at, []byte(`{}`)})
		}
		if err := b.ChangeOutbox(name, "", OutboxChange{From: 3, To: 3, Put: put}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	editFile(t, path, func(tx *bolt.Tx) error {
		flip := func(bucket, name []byte) error {
			value := slices.Clone(tx.Bucket(bucket).Get(name))
			value[len(value)-1] ^= 1
			return tx.Bucket(bucket).Put(name, value)
		}
		return errors.Join(
			flip(bucketWebhooks, MessageName{1, "x"}.recordName("box")),
			flip(bucketWebhooks, []byte("lost")),
			flip(bucketAudit, numberedName(nil, 2)),
			tx.Bucket(bucketWebhooks).Put([]byte("box\x00short"), []byte("rubbish")),
		)
	})
	b = openTest(t, path)
	box, held, err := b.OpenOutbox("box", "", at)
	if err != nil || !held || len(box.Messages) != 2 || !slices.Equal(box.Damaged, []MessageName{{1, "x"}}) {
		t.Errorf("%+v, %t, %v", box, held, err)
	}
	entries, last, err := b.AuditAfter(0, 9)
	if err != nil || last != 3 || len(entries) != 3 || entries[0].Damaged() || !entries[1].Damaged() || entries[1].Seq != 2 {
		t.Errorf("%+v of %d, %v", entries, last, err)
	}
	told := 0
	if _, err := b.Check(func(_ string, problem error) {
		if told++; !errors.Is(problem, ErrDamaged) {
			t.Error(problem)
		}
	}); err != nil || told != 4 {
		t.Errorf("check tells of %d, %v", told, err)
	}
	if box, held, err := b.OpenOutbox("lost", "", at); err != nil || !held || box.Place != 3 || len(box.Messages) != 3 {
		t.Errorf("one whose place is unknown: %+v, %t, %v", box, held, err)
	}
}
