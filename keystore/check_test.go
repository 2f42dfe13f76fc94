package keystore

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/socialpatra/keygate/apikey"
)

// openThree opens a store with three keys, numbered 1 to 3, of which the third
// is opaque, and with use of the first.
func openThree(tb testing.TB) *Bolt {
	tb.Helper()
	b, err := OpenBolt(filepath.Join(tb.TempDir(), "keygate.db"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { b.Close() })
	for n := 1; n <= 3; n++ {
		if err := b.Create(numberedKey(tb, n), testActor); err != nil {
			tb.Fatal(err)
		}
	}
	if err := b.SaveUsage([]apikey.Usage{{ID: numberedID(1), Day: 20000, Allowed: 1, LastUsed: 60}}, nil); err != nil {
		tb.Fatal(err)
	}
	foldNow(tb, b)
	return b
}

// foldNow folds the journal, in which nothing may be damaged.
func foldNow(tb testing.TB, b *Bolt) {
	tb.Helper()
	if damaged, err := b.foldAll(); err != nil || len(damaged) > 0 {
		tb.Fatal(damaged, err)
	}
}

func numberedKey(tb testing.TB, n int) apikey.Key {
	tb.Helper()
	k := testKey(tb)
	k.ID = numberedID(n)
	k.Hash[0], k.Opaque = byte(n), n == 3
	return k
}

// spoil writes to the file what a store never would.
func spoil(tb testing.TB, b *Bolt, bucket, name, value []byte) {
	tb.Helper()
	err := b.db.Update(func(tx *bolt.Tx) error {
		if value == nil {
			return tx.Bucket(bucket).Delete(name)
		}
		return tx.Bucket(bucket).Put(name, value)
	})
	if err != nil {
		tb.Fatal(err)
	}
}

// spoiled is what can be wrong in a store that openTest opened: by the name
// that Check gives it.
func spoiled(tb testing.TB) []struct {
	name, about         string
	bucket, key, record []byte // nil: removed
} {
	one, two, four := numberedID(1), numberedID(2), numberedID(4)
	otherHash, wrongIP := numberedKey(tb, 3), numberedKey(tb, 1)
	otherHash.ID = four
	wrongIP.AllowedIPs = []string{"localhost"}
	entry := func(fields string) []byte {
		return seal(bucketAudit, seqName(1), append(newSealed(0), fields...))
	}
	part := append(append(seqName(9), kindKeys, 0x80, 0, 0, 1), one[:]...)
	otherKind := append(append(seqName(9), 'x', 0x80, 0, 0, 1), one[:]...)
	rubbish, nothing := []byte("rubbish"), []byte{}
	return []struct {
		name, about         string
		bucket, key, record []byte
	}{
		{"key", one.String(), bucketKeys, one[:], rubbish},
		{"key that cannot be decided on", one.String(), bucketKeys, one[:], encodeKey(&wrongIP)},
		{"key under a wrong name", `"a\nb"`, bucketKeys, []byte("a\nb"), rubbish},
		{"two opaque keys with one hash", four.String(), bucketKeys, four[:], encodeKey(&otherHash)},
		{"key gone", two.String(), bucketKeys, two[:], nil},
		{"workspace lacks a key", one.String(), bucketWorkspaces, workspaceKey("acme", one), nil},
		{"workspace with another's key", one.String(), bucketWorkspaces, workspaceKey("other", one), nothing},
		{"workspace with no key", four.String(), bucketWorkspaces, workspaceKey("acme", four), nothing},
		{"workspace alone", `"acme"`, bucketWorkspaces, []byte("acme"), nothing},
		{"use", one.String(), bucketUsage, usageKey(20000, one), rubbish},
		{"use under a short name", `""`, bucketUsage, []byte("abc"), rubbish},
		{"last use", one.String(), bucketLastUsed, one[:], rubbish},
		{"last use under a short name", `"abc"`, bucketLastUsed, []byte("abc"), rubbish},
		{"what was seen", one.String(), bucketSeen, one[:], rubbish},
		{"what was seen of another", one.String(), bucketSeen, one[:], encodeSeen(two[:], &SeenRecord{Since: 1})},
		{"what was seen under a short name", `"abc"`, bucketSeen, []byte("abc"), rubbish},
		{"journal", "record 9 from key " + one.String() + " on of the journal", bucketJournal, part, rubbish},
		{"journal with rubbish in it", "record 9 from key " + one.String() + " on of the journal", bucketJournal, part, seal(bucketJournal, part, append(newSealed(8), rubbish...))},
		{"journal with use that is none", "record 9 from key " + one.String() + " on of the journal", bucketJournal, part, seal(bucketJournal, part, append(newSealed(32), append([]byte{12}, append(one[:], 1, 8)...)...))},
		{"journal under a wrong name", `"abc"`, bucketJournal, []byte("abc"), rubbish},
		{"journal of another kind", quoteName(otherKind), bucketJournal, otherKind, rubbish},
		{"what is settled", one.String(), bucketSettled, one[:], rubbish},
		{"audit entry", "audit entry 1", bucketAudit, seqName(1), rubbish},
		{"audit entry that is no JSON", "audit entry 1", bucketAudit, seqName(1), entry("{")},
		{"audit entry with another number", one.String(), bucketAudit, seqName(1), entry(`{"seq":2,"key_id":"` + one.String() + `"}`)},
		{"audit entry under a wrong name", `"abc"`, bucketAudit, []byte("abc"), rubbish},
		{"audit entry gone", one.String(), bucketAudit, seqName(1), nil},
		{"audit entry not found by key", one.String(), bucketAuditByKey, append(one[:], seqName(1)...), nil},
		{"audit entry without a place", one.String(), bucketAuditByKey, append(one[:], seqName(1)...), nothing},
		{"audit entry in another workspace", one.String(), bucketAuditByKey, append(one[:], seqName(1)...), AuditPlace{"other", 1}.encode(append(one[:], seqName(1)...))},
		{"audit entry not found by workspace", one.String(), bucketAuditByWorkspace, AuditPlace{"acme", 1}.name(), nil},
		{"audit entry twice in its workspace", "acme", bucketAuditByWorkspace, AuditPlace{"acme", 4}.name(), placed(AuditPlace{"acme", 4}, 1)},
		{"audit entry in a second workspace", "other", bucketAuditByWorkspace, AuditPlace{"other", 1}.name(), placed(AuditPlace{"other", 1}, 1)},
		{"place of no entry", "acme", bucketAuditByWorkspace, AuditPlace{"acme", 4}.name(), placed(AuditPlace{"acme", 4}, 9)},
		{"place that does not verify", "acme", bucketAuditByWorkspace, AuditPlace{"acme", 2}.name(), rubbish},
		{"place under a wrong name", `"abc"`, bucketAuditByWorkspace, []byte("abc"), nothing},
		{"audit by key under a wrong name", `"abc"`, bucketAuditByKey, []byte("abc"), nothing},
	}
}

func placed(at AuditPlace, seq byte) []byte {
	return seal(bucketAuditByWorkspace, at.name(), append(newSealed(seqLen), seqName(seq)...))
}

func seqName(n byte) []byte { return []byte{0, 0, 0, 0, 0, 0, 0, n} }

func TestCheckFinds(t *testing.T) {
	for _, tt := range spoiled(t) {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := openThree(t)
			spoil(t, b, tt.bucket, tt.key, tt.record)
			var names []string
			var problems []error
			keys, err := b.Check(func(name string, problem error) {
				names, problems = append(names, name), append(problems, problem)
				if _, err := b.Brand(); err != nil { // yield may call the store
					t.Error(err)
				}
			})
			if err != nil || keys < 2 || !slices.Equal(names, []string{tt.about}) || !errors.Is(problems[0], ErrDamaged) {
				t.Fatalf("%d keys, %q: %v, %v; want one problem of %s", keys, names, problems, err, tt.about)
			}
			if text := problems[0].Error(); strings.ContainsAny(text, "\n\x00") {
				t.Errorf("%q is not one clean line", text)
			}

			before := contents(t, b.db.Path()) // closing drops what is damaged of the journal
			path := filepath.Join(t.TempDir(), "copy.db")
			if err := os.WriteFile(path, before, 0o600); err != nil {
				t.Fatal(err)
			}
			if keys, err := VerifyFile(path); !errors.Is(err, ErrDamaged) || keys != 0 || !strings.Contains(err.Error(), path) {
				t.Errorf("verify: %d keys, %v", keys, err)
			}
			if !bytes.Equal(before, contents(t, path)) {
				t.Error("verifying changed the file")
			}
		})
	}
}

func contents(tb testing.TB, path string) []byte {
	tb.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return content
}

func TestVerifyFile(t *testing.T) {
	b := openThree(t)
	path := b.db.Path()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	whole := contents(t, path)
	if keys, err := VerifyFile(path); err != nil || keys != 3 {
		t.Errorf("%d keys, %v; want 3", keys, err)
	}
	if !bytes.Equal(contents(t, path), whole) {
		t.Error("verifying changed the file")
	}

	missing := filepath.Join(t.TempDir(), "missing.db")
	if _, err := VerifyFile(missing); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	if _, err := os.Lstat(missing); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("verifying made a file: %v", err)
	}
	for name, content := range map[string][]byte{
		"empty": nil, "no store": []byte(strings.Repeat("rubbish ", 4096)), "cut short": whole[:len(whole)/2],
	} {
		other := filepath.Join(t.TempDir(), "other.db")
		if err := os.WriteFile(other, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if keys, err := VerifyFile(other); err == nil || keys != 0 {
			t.Errorf("%s: %d keys, no error", name, keys)
		}
		if !bytes.Equal(contents(t, other), content) {
			t.Errorf("%s: verifying changed the file", name)
		}
	}
	if _, err := VerifyFile(""); err == nil {
		t.Error("no path: no error")
	}
}

// TestOpenSameHash opens a store where two opaque keys have one hash: the lower
// ID keeps it, and the other is refused until it is deleted.
func TestOpenSameHash(t *testing.T) {
	for _, n := range []int{0, 4} { // below and above the third key
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			b := openThree(t)
			added := numberedKey(t, 3)
			added.ID = numberedID(n)
			spoil(t, b, bucketKeys, added.ID[:], encodeKey(&added))
			path := b.db.Path()
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			b, err := OpenBolt(path)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			kept, refused := numberedID(min(n, 3)), numberedID(max(n, 3))
			if len(b.Damaged()) != 1 || !errors.Is(b.Damaged()[0], ErrDamaged) || !strings.Contains(b.Damaged()[0].Error(), "key "+refused.String()+":") {
				t.Errorf("damaged: %v; want %s", b.Damaged(), refused)
			}
			if _, ok, _ := b.Lookup(refused); ok {
				t.Errorf("%s is not refused", refused)
			}
			if _, err := b.Update(refused, "update", testActor, func(k *apikey.Key) error { k.Name = "renamed"; return nil }); !errors.Is(err, ErrExists) {
				t.Errorf("update: %v; want ErrExists", err)
			}
			if err := b.Delete(refused, testActor, nil); err != nil {
				t.Error(err)
			}
			if id, _, ok, _ := b.LookupOpaque(added.Hash); !ok || id != kept {
				t.Errorf("the hash finds %s, %t; want %s", id, ok, kept)
			}
		})
	}
}
