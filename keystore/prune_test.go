package keystore

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/socialpatra/keygate/apikey"
)

// TestPruneDamaged prunes a trail whose entries 2 and 4 of 4 do not verify:
// the one between old ones goes, the one after them stays.
func TestPruneDamaged(t *testing.T) {
	b := openThree(t)
	if err := b.Delete(numberedID(2), testActor, nil); err != nil {
		t.Fatal(err)
	}
	for _, n := range []byte{2, 4} {
		spoil(t, b, bucketAudit, seqName(n), []byte("rubbish"))
	}
	spoil(t, b, bucketAudit, []byte("abc"), []byte("rubbish"))
	spoil(t, b, bucketUsage, []byte("abc"), []byte("rubbish"))
	spoil(t, b, bucketUsage, usageKey(19999, numberedID(1)), []byte("rubbish"))
	if err := b.Prune(20000, testActor.At.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	var seqs []uint64
	for _, id := range []apikey.ID{numberedID(1), numberedID(2), numberedID(3)} {
		page, err := b.Audit(AuditQuery{Key: id})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Entries {
			seqs = append(seqs, e.Seq)
		}
	}
	if !slices.Equal(seqs, []uint64{4}) {
		t.Errorf("entries %d are left; want 4", seqs)
	}
	if usage, err := b.Usage(numberedID(1), 0, 30000); err != nil || len(usage) != 1 || usage[0].Day != 20000 {
		t.Errorf("usage: %+v, %v", usage, err)
	}
}

// TestPruneNothing makes sure that a store is not written to where there is
// nothing to prune.
func TestPruneNothing(t *testing.T) {
	b := openThree(t)
	before := contents(t, b.db.Path())
	if err := b.Prune(20000, testActor.At); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(before, contents(t, b.db.Path())) {
		t.Error("the file has changed")
	}
}

// Damage may be as long as it likes: what is old behind it is pruned.
func TestPruneManyDamaged(t *testing.T) {
	b := openThree(t)
	err := b.db.Update(func(tx *bolt.Tx) error {
		for n := range 2*pruneBatch + 5 {
			if err := tx.Bucket(bucketAudit).Put(binary.BigEndian.AppendUint64(nil, uint64(10+n)), []byte("rubbish")); err != nil {
				return err
			}
		}
		return tx.Bucket(bucketAudit).SetSequence(5000)
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := b.SetWorkspaceLimits("acme", &apikey.WorkspaceLimits{PerDay: 7}, testActor); err != nil {
			t.Fatal(err)
		}
		if err := b.SetWorkspaceLimits("acme", nil, testActor); err != nil {
			t.Fatal(err)
		}
	}
	for n := range byte(3) {
		spoil(t, b, bucketAudit, seqName(n+1), []byte("rubbish"))
	}
	if err := b.Prune(0, testActor.At.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if page, err := b.Audit(AuditQuery{}); err != nil || len(page.Entries) != 0 {
		t.Errorf("%d entries are left, %v", len(page.Entries), err)
	}
}

// The numbers of a workspace's trail are never given twice, also where the place of an
// entry that is pruned does not verify.
func TestPruneDamagedPlaces(t *testing.T) {
	for spoilt := range byte(3) {
		b := openThree(t)
		id := numberedID(int(spoilt) + 1)
		name := append(id[:], seqName(spoilt+1)...)
		spoil(t, b, bucketAuditByKey, name, []byte("rubbish"))
		if err := b.Prune(0, testActor.At.Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		if err := b.SetWorkspaceLimits("acme", &apikey.WorkspaceLimits{PerDay: 7}, testActor); err != nil {
			t.Fatal(err)
		}
		page, err := b.Audit(AuditQuery{Workspace: "acme"})
		if err != nil || len(page.Entries) != 1 || page.Entries[0].Seq != 4 {
			t.Errorf("with the place of entry %d damaged: %+v, %v; want number 4 alone", spoilt+1, page.Entries, err)
		}
	}
}
