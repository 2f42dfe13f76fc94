package keystore

import (
	"slices"
	"testing"
	"time"

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
