package keystore

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/socialpatra/keygate/apikey"
)

// Of several problems the first is told, and how many more there are.
func TestVerifyFileCountsProblems(t *testing.T) {
	t.Parallel()
	path := writeStore(t, 5)
	for n, more := range []string{1: "", 2: ", and 1 more problems", 3: ", and 2 more problems", 4: ", and 3 more problems"} {
		if n == 0 {
			continue
		}
		editFile(t, path, func(tx *bolt.Tx) error {
			keys := tx.Bucket(bucketKeys)
			for i := range n {
				id := numberedID(i)
				if err := keys.Put(id[:], []byte("rubbish")); err != nil {
					return err
				}
			}
			return nil
		})
		keys, err := VerifyFile(path)
		if keys != 0 || !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), numberedID(0).String()) || !strings.HasSuffix(err.Error(), more) ||
			strings.Contains(err.Error(), "more problems") != (more != "") {
			t.Errorf("of %d: %d keys, %v", n, keys, err)
		}
	}
	if _, err := VerifyFile(""); err == nil {
		t.Error("no path is a store")
	}
	if _, err := VerifyFile(filepath.Join(t.TempDir(), "none.db")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// A field that only a newer Keygate writes is told as such, in every record that
// has fields, whatever its type.
func TestFieldsOfTheFuture(t *testing.T) {
	id := numberedID(1)
	records := map[string]struct {
		bucket, name []byte
		decode       func(name, value []byte) error
	}{
		"key":                 {bucketKeys, id[:], func(_, v []byte) error { _, err := decodeKey(id, v); return err }},
		"use":                 {bucketUsage, usageKey(20000, id), func(n, v []byte) error { _, err := decodeUsage(n, v); return err }},
		"limits of workspace": {bucketTogether, []byte("acme"), func(n, v []byte) error { _, err := decodeLimits(n, v); return err }},
		"use of workspace":    {bucketTogetherUsage, togetherKey(20000, "acme"), func(n, v []byte) error { _, err := decodeTogether(n, v); return err }},
	}
	for name, r := range records {
		for kind, field := range map[string][]byte{
			"varint":  protowire.AppendVarint(protowire.AppendTag(nil, 99, protowire.VarintType), 1),
			"bytes":   protowire.AppendString(protowire.AppendTag(nil, 99, protowire.BytesType), "x"),
			"fixed":   protowire.AppendFixed64(protowire.AppendTag(nil, 99, protowire.Fixed64Type), 1),
			"a known": protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "x"), // of another type
		} {
			t.Run(name+", "+kind, func(t *testing.T) {
				err := r.decode(r.name, seal(r.bucket, r.name, append(newSealed(0), field...)))
				if !errors.Is(err, ErrNewer) || errors.Is(err, ErrDamaged) {
					t.Errorf("%v; want ErrNewer", err)
				}
				for cut := 1; cut < len(field); cut++ {
					err := r.decode(r.name, seal(r.bucket, r.name, append(newSealed(0), field[:cut]...)))
					if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNewer) {
						t.Errorf("cut after %d bytes: %v", cut, err)
					}
				}
			})
		}
	}
	for _, tooMuch := range []protowire.Number{fieldTogetherPerMinute, fieldTogetherPerDay} {
		name := []byte("acme")
		for v, want := range map[uint64]bool{1: true, math.MaxUint32: true, math.MaxUint32 + 1: false, math.MaxUint64: false} {
			_, err := decodeLimits(name, seal(bucketTogether, name, appendVarint(newSealed(0), tooMuch, v)))
			if (err == nil) != want {
				t.Errorf("field %d of limits as %d: %v", tooMuch, v, err)
			}
		}
	}
}

// Names that are none lie between the use of keys, and are passed over.
func TestUsageBetweenOddNames(t *testing.T) {
	t.Parallel()
	b := openThree(t)
	one, two := numberedID(1), numberedID(2)
	var saved []apikey.Usage
	for day := apikey.Day(20000); day < 20005; day++ {
		saved = append(saved, apikey.Usage{ID: one, Day: day, Charged: uint64(day), Allowed: 1, LastUsed: int64(day) * 86400}, apikey.Usage{ID: two, Day: day, Charged: 1})
	}
	if err := b.SaveUsage(saved, nil); err != nil {
		t.Fatal(err)
	}
	for day := apikey.Day(19999); day < 20006; day++ {
		name := usageKey(day, one)
		for _, odd := range [][]byte{name[:dayLen], name[:len(name)-1], append(slices.Clone(name), 'x'), append(usageKey(day, two), 0)} {
			spoil(t, b, bucketUsage, odd, []byte("x"))
		}
	}
	for from := apikey.Day(19998); from < 20007; from++ {
		for to := from - 1; to < 20007; to++ {
			got, err := b.Usage(one, from, to)
			var days []apikey.Day
			for _, u := range got {
				days = append(days, u.Day)
				if u.ID != one || u.Charged != uint64(u.Day) {
					t.Errorf("from %d to %d: %+v", from, to, u)
				}
			}
			var want []apikey.Day
			for day := max(from, 20000); day <= min(to, 20004); day++ {
				want = append(want, day)
			}
			if err != nil || !slices.Equal(days, want) {
				t.Errorf("from %d to %d: days %v, %v; want %v", from, to, days, err, want)
			}
		}
	}
	if err := b.Delete(one, testActor, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := b.Usage(one, 0, 30000); err != nil || len(got) != 0 {
		t.Errorf("of a deleted key: %+v, %v", got, err)
	}
	if got, err := b.Usage(two, 0, 30000); err != nil || len(got) != 5 {
		t.Errorf("of the other: %+v, %v", got, err)
	}
}

// A key that is deleted between the two looks of a look-up is none, and so is
// another in its place.
func TestLookupOpaqueOfWhatIsGone(t *testing.T) {
	x := NewIndex()
	id, gone := numberedID(1), numberedID(2)
	g := testGrant(t)
	x.Put(id, g, true)
	if got, _, ok := x.LookupOpaque(g.Hash); !ok || got != id {
		t.Fatalf("LookupOpaque = %s, %t", got, ok)
	}
	other := g
	other.Hash[0]++
	x.opaque.put(other.Hash, gone)
	if got, found, ok := x.LookupOpaque(other.Hash); ok || !got.IsZero() || !reflect.DeepEqual(found, apikey.Grant{}) {
		t.Errorf("of a key that is gone: %s, %t", got, ok)
	}
	x.opaque.put(other.Hash, id)
	if got, found, ok := x.LookupOpaque(other.Hash); ok || !got.IsZero() || !reflect.DeepEqual(found, apikey.Grant{}) {
		t.Errorf("of a key with another hash: %s, %t", got, ok)
	}
}

func TestExistsErrorTellsWhich(t *testing.T) {
	id, other := numberedID(1), numberedID(2)
	for want, err := range map[string]error{
		id.String() + ": " + ErrExists.Error():                                    &ExistsError{ID: id},
		id.String() + ": the opaque key " + other.String() + " has the same hash": &ExistsError{ID: id, SameHash: other},
	} {
		if err.Error() != want || !errors.Is(err, ErrExists) {
			t.Errorf("%q, want %q", err, want)
		}
	}
}

// What the system and bbolt say of a file becomes what to do about it.
func TestExplainOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	info := func(size int64) fs.FileInfo {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	whole, short := info(minSize()), info(minSize()-1)
	denied := &fs.PathError{Op: "open", Path: path, Err: fs.ErrPermission}
	other := errors.New("other")
	for _, tt := range []struct {
		name string
		err  error
		info fs.FileInfo
		is   error
		text string // in it
	}{
		{"invalid", bolterrors.ErrInvalid, whole, errNotAStore, ""},
		{"version", bolterrors.ErrVersionMismatch, whole, errNotAStore, ""},
		{"too short", other, short, errNotAStore, ""},
		{"checksum", bolterrors.ErrChecksum, whole, ErrDamaged, adviceDamaged},
		{"checksum, wrapped", fmt.Errorf("x: %w", bolterrors.ErrChecksum), whole, bolterrors.ErrChecksum, adviceDamaged},
		{"permission", denied, whole, fs.ErrPermission, "run as the user who owns the file and its folder"},
		{"other", other, whole, other, "other"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := explainOpen(tt.err, tt.info)
			if !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("%v; want %v", err, tt.is)
			}
			if advised := strings.Contains(err.Error(), "run as the user"); advised != errors.Is(tt.err, fs.ErrPermission) {
				t.Errorf("%v tells of rights: %t", err, advised)
			}
		})
	}
}

// A time that JSON cannot write goes into no trail, and so into no store.
func TestTimesBeyondJSON(t *testing.T) {
	b := openThree(t)
	beyond := time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)
	last := beyond.Add(-time.Second)
	before := contentOf(t, b)
	one := numberedID(1)
	for name, change := range map[string]func(at time.Time) error{
		"create": func(at time.Time) error {
			k := numberedKey(t, 9)
			k.CreatedAt = at
			return b.Create(k, testActor)
		},
		"import": func(at time.Time) error {
			keys := []apikey.Key{numberedKey(t, 10), numberedKey(t, 9)}
			keys[1].CreatedAt = at
			return b.CreateAll(keys, testActor, nil)
		},
		"update": func(at time.Time) error {
			_, err := b.Update(one, "update", testActor, func(k *apikey.Key) error { k.ExpiresAt = at; return nil })
			return err
		},
		"rotate": func(at time.Time) error {
			_, err := b.Rotate(one, testActor, func(old, successor *apikey.Key) error {
				successor.ID, successor.Hash, successor.ExpiresAt = numberedID(8), numberedKey(t, 8).Hash, at
				return nil
			})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := change(beyond); err == nil {
				t.Error("is accepted")
			}
			if got := contentOf(t, b); !reflect.DeepEqual(got, before) {
				t.Error("the store changed")
			}
		})
	}
	if _, err := b.Update(one, "update", testActor, func(k *apikey.Key) error { k.ExpiresAt = last; return nil }); err != nil {
		t.Errorf("the last second: %v", err)
	}
}

// A key whose places do not parse is neither changed nor replaced as it is.
func TestRotateWhatCannotBeDecidedOn(t *testing.T) {
	for name, edit := range map[string]func(old, successor *apikey.Key){
		"old":       func(old, _ *apikey.Key) { old.AllowedIPs = []string{"localhost"} },
		"successor": func(_, successor *apikey.Key) { successor.AllowedOrigins = []string{"shop.example"} },
	} {
		t.Run(name, func(t *testing.T) {
			b := openThree(t)
			before := contentOf(t, b)
			_, err := b.Rotate(numberedID(1), testActor, func(old, successor *apikey.Key) error {
				successor.ID, successor.Hash = numberedID(8), numberedKey(t, 8).Hash
				edit(old, successor)
				return nil
			})
			if err == nil || !reflect.DeepEqual(contentOf(t, b), before) {
				t.Errorf("Rotate = %v", err)
			}
		})
	}
}
