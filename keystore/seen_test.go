package keystore

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/socialpatra/keygate/apikey"
)

const seenDay = apikey.Day(40000) // long after these tests run

// seenBy returns a store whose key 1 was seen on a day, in one network.
func seenBy(t *testing.T) (*Bolt, apikey.ID) {
	t.Helper()
	b, id := openThree(t), numberedID(1)
	grant, _ := b.index.Lookup(id)
	seen := &apikey.Sighting{Scopes: grant.Scopes, Needed: 1, Network: 4<<56 | 0xCB0071}
	if err := b.SaveUsage([]apikey.Usage{{ID: id, Day: seenDay, Seen: seen}}, nil); err != nil {
		t.Fatal(err)
	}
	foldNow(t, b)
	return b, id
}

func seenOf(t *testing.T, b *Bolt, id apikey.ID) apikey.Seen {
	t.Helper()
	seen, err := b.Seen([]apikey.ID{id})
	if err != nil {
		t.Fatal(err)
	}
	return seen[0]
}

// nothingSeen is what is told of a key of which nothing was seen since a day.
func nothingSeen(since apikey.Day) apikey.Seen {
	return apikey.Seen{Scopes: []apikey.ScopeUse{{Scope: "posts:write", Since: since}}, NetworkSince: since}
}

// TestSeenDamaged spoils what was seen of a key. Nobody learns from it that the key
// could do without something; whoever writes next begins anew.
func TestSeenDamaged(t *testing.T) {
	today := apikey.DayOf(time.Now())
	for name, mend := range map[string]struct {
		mend func(b *Bolt, id apikey.ID) error
		want apikey.Seen
	}{
		"another use": {func(b *Bolt, id apikey.ID) error {
			grant, _ := b.index.Lookup(id)
			return b.SaveUsage([]apikey.Usage{{ID: id, Day: seenDay, Seen: &apikey.Sighting{Scopes: grant.Scopes, Network: apikey.SeveralNetworks}}}, nil)
		}, nothingSeen(seenDay)},
		"other scopes": {func(b *Bolt, id apikey.ID) error {
			for _, scopes := range [][]string{{"posts:read"}, {"posts:write"}} {
				by := testActor
				by.At = (seenDay + 1).Start()
				if _, err := b.Update(id, "update", by, func(k *apikey.Key) error { k.Scopes = scopes; return nil }); err != nil {
					return err
				}
			}
			return nil
		}, nothingSeen(seenDay + 1)},
		"a deletion": {func(b *Bolt, id apikey.ID) error { return b.Delete(id, testActor, nil) }, apikey.Seen{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, id := seenBy(t)
			spoil(t, b, bucketSeen, id[:], []byte("rubbish"))
			if got := seenOf(t, b, id); !reflect.DeepEqual(got, nothingSeen(today)) && !reflect.DeepEqual(got, nothingSeen(today+1)) {
				t.Errorf("of a damaged record is told %+v; want nothing, since today", got)
			}
			if _, ok, err := b.Lookup(id); !ok || err != nil {
				t.Errorf("the key is found: %t, %v", ok, err)
			}
			if err := mend.mend(b, id); err != nil {
				t.Fatal(err)
			}
			if got := seenOf(t, b, id); !reflect.DeepEqual(got, mend.want) {
				t.Errorf("told %+v; want %+v", got, mend.want)
			}
			foldNow(t, b)
			if _, err := b.Check(func(name string, err error) { t.Errorf("%s: %v", name, err) }); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestSeenKeepsNoOthers has no record keep scopes that were taken away.
func TestSeenKeepsNoOthers(t *testing.T) {
	t.Parallel()
	b, id := seenBy(t)
	if _, err := b.Update(id, "update", testActor, func(k *apikey.Key) error { k.Scopes = []string{"a:a"}; return nil }); err != nil {
		t.Fatal(err)
	}
	var r SeenRecord
	if err := b.view(func(tx *bolt.Tx) (err error) { r, err = storedSeen(b.unwritten(tx), id); return err }); err != nil || len(r.Scopes) != 1 || r.Scopes[0].Scope != "a:a" {
		t.Errorf("kept %+v, %v", r, err)
	}
}

func TestSeenCodec(t *testing.T) {
	id := mustID(t, testID)
	r := SeenRecord{Since: 20786, Network: 6<<56 | 0x20010DB80001, Scopes: []apikey.ScopeUse{
		{Scope: "a:a", Last: 20790}, {Scope: "b:b", Since: 20788}, {Scope: "c:c", Since: -1, Last: 3},
	}}
	value := encodeSeen(id[:], &r)
	const want = "01" + "e9c8a558" + "08e4c402108180e0ed90808880061a090a03613a6118ecc4021a090a03623a6210e8c4021a090a03633a6310011806"
	if got := hex.EncodeToString(value); got != want {
		t.Errorf("a record is\n%s\nwant\n%s", got, want)
	}
	if back, err := decodeSeen(id[:], value); err != nil || !reflect.DeepEqual(back, r) {
		t.Errorf("read as %+v, %v; want %+v", back, err, r)
	}
	for i := range 8 * len(value) {
		flipped := bytes.Clone(value)
		flipped[i/8] ^= 1 << (i % 8)
		if got, err := decodeSeen(id[:], flipped); !errors.Is(err, ErrDamaged) || !reflect.DeepEqual(got, SeenRecord{}) {
			t.Fatalf("bit %d: %+v, %v; want ErrDamaged", i, got, err)
		}
	}
	scope := func(name string) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, fieldSeenScope, protowire.BytesType), appendString(nil, fieldScopeName, name))
	}
	day := appendVarint(nil, fieldSeenSince, 1)
	for name, fields := range map[string][]byte{
		"no network":         append(appendVarint(nil, fieldSeenNetwork, 5), day...),
		"no day":             append(appendVarint(nil, fieldSeenSince, 1<<40), day...),
		"no scope":           append(scope("a"), scope("b:b")...),
		"scopes in no order": append(append(scope("b:b"), scope("a:a")...), scope("c:c")...),
		"a scope twice":      append(scope("b:b"), scope("b:b")...),
		"a scope cut short":  append(scope("a:a"), scope("b:b")[:3]...),
	} {
		if _, err := decodeSeen(id[:], seal(bucketSeen, id[:], append(newSealed(0), fields...))); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v; want ErrDamaged", name, err)
		}
	}
	for name, fields := range map[string][]byte{"a number": appendVarint(nil, 99, 1), "a text": appendString(nil, 99, "a:a")} {
		if _, err := decodeSeen(id[:], seal(bucketSeen, id[:], append(newSealed(0), fields...))); !errors.Is(err, ErrNewer) {
			t.Errorf("%s of a newer version: %v; want ErrNewer", name, err)
		}
	}
}

// FuzzDecodeSeen seals what it is given, as FuzzDecodeKey does.
func FuzzDecodeSeen(f *testing.F) {
	id := mustID(f, testID)
	f.Add(encodeSeen(id[:], &SeenRecord{Since: 1, Network: 1, Scopes: []apikey.ScopeUse{{Scope: "a:a", Since: 2, Last: 3}}})[sealLen:])
	f.Fuzz(func(t *testing.T, fields []byte) {
		r, err := decodeSeen(id[:], seal(bucketSeen, id[:], append(newSealed(len(fields)), fields...)))
		if err != nil {
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNewer) {
				t.Errorf("%v is neither ErrDamaged nor ErrNewer", err)
			}
			return
		}
		if again, err := decodeSeen(id[:], encodeSeen(id[:], &r)); err != nil || !reflect.DeepEqual(again, r) {
			t.Errorf("%+v is read back as %+v, %v", r, again, err)
		}
	})
}

// TestWatchAnew restores a copy: what the store did since it was made is not in it.
func TestWatchAnew(t *testing.T) {
	t.Parallel()
	b, id := seenBy(t)
	path := b.db.Path()
	if err := WatchAnew(path); !errors.Is(err, ErrInUse) {
		t.Errorf("of a store in use: %v", err)
	}
	if err := b.db.Update(func(tx *bolt.Tx) error { return putWatched(tx, 10000) }); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := WatchAnew(path); err != nil {
		t.Fatal(err)
	}
	b = openTest(t, path)
	today := apikey.DayOf(time.Now())
	if got := seenOf(t, b, id); !reflect.DeepEqual(got, nothingSeen(today)) && !reflect.DeepEqual(got, nothingSeen(today-1)) {
		t.Errorf("told %+v; want nothing, since today", got)
	}
	old := schema1(t)
	before := contents(t, old)
	if err := WatchAnew(old); err != nil || !bytes.Equal(before, contents(t, old)) {
		t.Errorf("a store of an older schema was changed, or %v", err)
	}
}

// TestWatchedSince has stores watch from the day on that they could.
func TestWatchedSince(t *testing.T) {
	today := apikey.DayOf(time.Now())
	path := schema1(t)
	since := func(b *Bolt) apikey.Day {
		t.Helper()
		defer b.Close()
		return seenOf(t, b, numberedID(0)).NetworkSince
	}
	read, err := ReadBolt(path)
	if err != nil {
		t.Fatal(err)
	}
	if day := since(read); day < today || day > today+1 {
		t.Errorf("an older schema that is only read watches since %s", day)
	}
	if day := since(openTest(t, path)); day < today || day > today+1 {
		t.Errorf("a store watches since %s, before it was upgraded", day)
	}
	editFile(t, path, func(tx *bolt.Tx) error { return putWatched(tx, seenDay) })
	if day := since(openTest(t, path)); day != seenDay {
		t.Errorf("opened again it watches since %s; want %s", day, seenDay)
	}
	editFile(t, path, func(tx *bolt.Tx) error { return tx.Bucket(bucketMeta).Put(metaWatched, []byte("x")) })
	opened := openTest(t, path)
	if day := since(opened); day < today || day > today+1 {
		t.Errorf("when nobody knows since when, it watches since %s", day)
	}
	if from := opened.About().UpgradedFrom; from != 0 {
		t.Errorf("a file of this schema is said to be upgraded from %d", from)
	}
}
