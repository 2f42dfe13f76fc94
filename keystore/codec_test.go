package keystore

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/keyfields"
)

const testID = "7Hk2Qp9aX3bC"

func mustID(tb testing.TB, s string) apikey.ID {
	tb.Helper()
	id, err := apikey.ParseID(s)
	if err != nil {
		tb.Fatal(err)
	}
	return id
}

// numberedID returns the nth ID. Numbers that follow each other are spread
// over all first characters, as IDs are.
func numberedID(n int) apikey.ID {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	var id apikey.ID
	for i := range id {
		id[i] = digits[n%len(digits)]
		n /= len(digits)
	}
	return id
}

func testKey(tb testing.TB) apikey.Key {
	tb.Helper()
	id := mustID(tb, testID)
	k := apikey.Key{
		ID:        id,
		Prefix:    apikey.Prefix("patra", id),
		Hash:      apikey.HashToken("patra_7Hk2Qp9aX3bC_0123456789ABCDEFGHIJKLMNOPQRSTUV2YI9hn"),
		Workspace: "acme",
		Name:      "Zapier",
		Scopes:    []string{"posts:write"},
		CreatedAt: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC),
	}
	if err := k.Normalize(); err != nil {
		tb.Fatal(err)
	}
	return k
}

func fullKey(tb testing.TB) apikey.Key {
	tb.Helper()
	k := testKey(tb)
	k.Description = "für die Werbung"
	k.Scopes = []string{"media:upload", "posts:write"}
	k.AllowedOrigins = []string{"https://shop.example", "https://*.shop.example"}
	k.AllowedIPs = []string{"203.0.113.7", "2001:db8::/32"}
	k.ExpiresAt = k.CreatedAt.Add(time.Hour)
	k.RevokedAt = time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC)
	k.Disabled = true
	k.RotatedFrom, k.ReplacedBy = mustID(tb, "aaaaaaaaaaaa"), mustID(tb, "bbbbbbbbbbbb")
	if err := k.Normalize(); err != nil {
		tb.Fatal(err)
	}
	return k
}

func TestCodecRoundTrip(t *testing.T) {
	for name, set := range map[string]func(*apikey.Key){
		"least":           func(*apikey.Key) {},
		"everything":      func(k *apikey.Key) { *k = fullKey(t) },
		"revoked at zero": func(k *apikey.Key) { k.RevokedAt = time.Unix(0, 0).UTC() },
		"expires in 9999": func(k *apikey.Key) { k.ExpiresAt = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC) },
		"highest limits": func(k *apikey.Key) {
			k.Limits = apikey.Limits{PerMinute: 1<<32 - 1, PerDay: 1<<32 - 1, Burst: 1<<32 - 1}
		},
		"long description": func(k *apikey.Key) { k.Description = strings.Repeat("ü", 500) },
		"opaque":           func(k *apikey.Key) { k.Opaque = true },
		"many scopes":      func(k *apikey.Key) { k.Scopes = strings.Fields(strings.Repeat("posts:write ", 64)) },
		"nothing but an ID": func(k *apikey.Key) {
			*k = apikey.Key{ID: k.ID, Scopes: []string{}, AllowedIPs: []string{}, AllowedOrigins: []string{}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := testKey(t)
			set(&k)
			got, err := decodeKey(k.ID, encodeKey(&k))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, k) {
				t.Errorf("got\n%+v\nwant\n%+v", got, k)
			}
		})
	}
}

// frozenKey is a key whose record never changes.
type frozenKey struct {
	name string
	key  apikey.Key
	want string
}

// frozenKeys have each field in one of them. A field that is new comes in a key of
// its own: the records that there are stay as they are.
func frozenKeys(t *testing.T) []frozenKey {
	opaque, made, successor, warned := testKey(t), testKey(t), testKey(t), testKey(t)
	opaque.Opaque, made.CreatedBy, successor.Account, warned.Warned = true, "Ada Lovelace", mustID(t, "cccccccccccc"), 30
	return []frozenKey{
		{"least key", testKey(t), goldenKey},
		{"full key", fullKey(t), goldenFullKey},
		{"opaque key", opaque, goldenOpaqueKey},
		{"key of somebody", made, goldenKeyOfSomebody},
		{"key on an account", successor, goldenKeyOnAnAccount},
		{"key that expires soon", warned, goldenWarnedKey},
	}
}

func TestCodecFreezesEveryField(t *testing.T) {
	for _, f := range keyfields.All() {
		if !slices.ContainsFunc(frozenKeys(t), func(frozen frozenKey) bool { return f.IsSet(&frozen.key) }) {
			t.Errorf("%s is in no key of frozenKeys", f.Name)
		}
	}
}

// TestCodecGolden holds the bytes on disk. They change only together with
// sealFormat, and with a way to read the old ones.
func TestCodecGolden(t *testing.T) {
	for _, frozen := range frozenKeys(t) {
		record := encodeKey(&frozen.key)
		if got := hex.EncodeToString(record); got != frozen.want {
			t.Errorf("%s:\n%s\nwant\n%s", frozen.name, got, frozen.want)
		}
		if back, err := decodeKey(frozen.key.ID, record); err != nil || !reflect.DeepEqual(back, frozen.key) {
			t.Errorf("%s is read as\n%+v, %v; want\n%+v", frozen.name, back, err, frozen.key)
		}
	}
	k := testKey(t)
	u := apikey.Usage{ID: k.ID, Day: 20780, Charged: 500, Allowed: 100, Limited: 3, Denied: 1, LastUsed: 1795428000}
	name := usageKey(u.Day, u.ID)
	for _, tt := range []struct {
		name string
		got  []byte
		want string
	}{
		{"name of usage", name, "8000512c37486b325170396158336243"},
		{"name of usage in 1969", usageKey(-1, k.ID), "7fffffff37486b325170396158336243"},
		{"usage", encodeUsage(name, &u), goldenUsage},
		{"last use", encodeLastUsed(k.ID, u.LastUsed), goldenLastUsed},
	} {
		if got := hex.EncodeToString(tt.got); got != tt.want {
			t.Errorf("%s:\n%s\nwant\n%s", tt.name, got, tt.want)
		}
	}
}

func TestCodecRefuses(t *testing.T) {
	k := testKey(t)
	whole := encodeKey(&k)
	fields := whole[sealLen:]
	sealed := func(fields []byte) []byte { return seal(bucketKeys, k.ID[:], append(newSealed(0), fields...)) }
	add := func(number protowire.Number, v uint64) []byte {
		return sealed(protowire.AppendVarint(protowire.AppendTag(bytes.Clone(fields), number, protowire.VarintType), v))
	}
	newer := bytes.Clone(whole)
	newer[0] = sealFormat + 1
	copy(newer[1:sealLen], []byte{0, 0, 0, 0})
	sum := checksum(bucketKeys, k.ID[:], newer)
	newer[1], newer[2], newer[3], newer[4] = byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum)

	for _, tt := range []struct {
		name  string
		id    apikey.ID
		value []byte
		want  error
	}{
		{"empty", k.ID, nil, ErrDamaged},
		{"no fields", k.ID, sealed(nil), ErrDamaged},
		{"cut short", k.ID, whole[:len(whole)-1], ErrDamaged},
		{"cut short and sealed", k.ID, sealed(fields[:len(fields)-1]), ErrDamaged},
		{"longer", k.ID, append(bytes.Clone(whole), 0), ErrDamaged},
		{"of another key", mustID(t, "aaaaaaaaaaaa"), whole, ErrDamaged},
		{"of another bucket", k.ID, seal(bucketUsage, k.ID[:], bytes.Clone(whole)), ErrDamaged},
		{"a field more", k.ID, add(fieldDisabled, 1), nil},
		{"opaque more than it can be", k.ID, add(fieldOpaque, 2), ErrDamaged},
		{"a field twice", k.ID, add(fieldCreatedAt, 1), ErrDamaged},
		{"a field that says nothing", k.ID, add(fieldDisabled, 0), ErrDamaged},
		{"disabled twice over", k.ID, add(fieldDisabled, 2), ErrDamaged},
		{"fields out of order", k.ID, add(fieldPerDay, 1), ErrDamaged},
		{"limit out of range", k.ID, add(fieldBurst, 1<<32), ErrDamaged},
		{"warned", k.ID, add(fieldWarned, 7), nil},
		{"warned out of range", k.ID, add(fieldWarned, 1<<8), ErrDamaged},
		{"the zero time", k.ID, add(fieldExpiresAt, protowire.EncodeZigZag(time.Time{}.Unix())), ErrDamaged},
		{"other hash algorithm", k.ID, add(fieldHashAlgorithm, 2), ErrNewer},
		{"unknown field", k.ID, add(99, 1), ErrNewer},
		{"field of another type", k.ID, add(fieldWorkspace, 1), ErrNewer},
		{"newer format", k.ID, newer, ErrNewer},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := decodeKey(tt.id, tt.value)
			if !errors.Is(err, tt.want) {
				t.Fatalf("%v; want %v", err, tt.want)
			}
			if err != nil && !strings.Contains(err.Error(), tt.id.String()) {
				t.Errorf("%q does not name the key", err)
			}
		})
	}
}

// TestCodecBitFlips flips every bit of a record in turn.
func TestCodecBitFlips(t *testing.T) {
	k := fullKey(t)
	whole := encodeKey(&k)
	for i := range len(whole) * 8 {
		flipped := bytes.Clone(whole)
		flipped[i/8] ^= 1 << (i % 8)
		if _, err := decodeKey(k.ID, flipped); !errors.Is(err, ErrDamaged) {
			t.Fatalf("bit %d: %v; want ErrDamaged", i, err)
		}
	}
}

func TestUsageCodec(t *testing.T) {
	u := apikey.Usage{ID: mustID(t, testID), Day: -3, Charged: 1<<64 - 1, Denied: 1, LastUsed: -60}
	name := usageKey(u.Day, u.ID)
	value := encodeUsage(name, &u)
	if got, err := decodeUsage(name, value); err != nil || got != u {
		t.Errorf("%+v, %v; want %+v", got, err, u)
	}
	for what, read := range map[string]func() error{
		"of another day": func() error { _, err := decodeUsage(usageKey(-2, u.ID), value); return err },
		"of another key": func() error { _, err := decodeUsage(usageKey(-3, mustID(t, "aaaaaaaaaaaa")), value); return err },
		"a short name":   func() error { _, err := decodeUsage(name[1:], value); return err },
		"cut short":      func() error { _, err := decodeUsage(name, value[:3]); return err },
		"last use of another key": func() error {
			_, err := decodeLastUsed(mustID(t, "aaaaaaaaaaaa"), encodeLastUsed(u.ID, 1))
			return err
		},
		"last use that is no time": func() error {
			_, err := decodeLastUsed(u.ID, seal(bucketLastUsed, u.ID[:], newSealed(0)))
			return err
		},
	} {
		if err := read(); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v; want ErrDamaged", what, err)
		}
	}
	text := seal(bucketUsage, name, appendString(newSealed(0), fieldDenied, "x"))
	if _, err := decodeUsage(name, text); !errors.Is(err, ErrNewer) {
		t.Errorf("a field of another type: %v; want ErrNewer", err)
	}
}

// FuzzDecodeKey seals what it is given, so that the checksum does not keep the
// fuzzer from the fields.
func FuzzDecodeKey(f *testing.F) {
	k, full := testKey(f), fullKey(f)
	for _, k := range []*apikey.Key{&k, &full} {
		f.Add(encodeKey(k)[sealLen:])
	}
	f.Fuzz(func(t *testing.T, fields []byte) {
		decodeKey(k.ID, fields) // must not panic
		value := seal(bucketKeys, k.ID[:], append(newSealed(len(fields)), fields...))
		got, err := decodeKey(k.ID, value)
		switch {
		case err == nil:
			if again := encodeKey(&got); !bytes.Equal(again, value) {
				t.Errorf("%x was read as %+v, which is %x", value, got, again)
			}
		case !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNewer):
			t.Errorf("%v is neither ErrDamaged nor ErrNewer", err)
		}
		if text := fmt.Sprintf("%v %+v", err, got); strings.Contains(text, hex.EncodeToString(k.Hash[:4])) {
			t.Errorf("%q shows a hash", text)
		}
	})
}

func BenchmarkDecodeKey(b *testing.B) {
	k := testKey(b)
	value := encodeKey(&k)
	b.ReportAllocs()
	b.SetBytes(int64(len(value)))
	for b.Loop() {
		if _, err := decodeKey(k.ID, value); err != nil {
			b.Fatal(err)
		}
	}
}
