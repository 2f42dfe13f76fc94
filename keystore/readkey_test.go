package keystore

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// TestKeyReader reads many records with one reader, as a start does, and compares each
// with what is made of its key alone. Grants are kept, as the index keeps them; what
// they were read from is then overwritten.
func TestKeyReader(t *testing.T) {
	var keys []apikey.Key
	for i := range 40 {
		k := testKey(t)
		k.ID, k.Opaque, k.Disabled = numberedID(i), i%5 == 0, i%7 == 0
		k.Workspace = fmt.Sprintf("workspace-%d", i%3)
		k.Description = strings.Repeat("x", i*7)
		k.Limits.PerDay += uint32(i)
		k.Scopes = [][]string{{"posts:read"}, {"posts:write", "posts:read"}, {"posts:read", "posts:read", "ai:generate"}, {}}[i%4]
		k.AllowedOrigins = [][]string{{}, {"https://a.example", "https://b.example"}, {"https://a.example"}}[i%3]
		k.AllowedIPs = [][]string{{"203.0.113.0/24"}, {}}[i%2]
		if i%3 == 0 {
			k.ExpiresAt, k.RevokedAt = k.CreatedAt.Add(time.Hour), k.CreatedAt.Add(time.Minute)
			k.Account = numberedID(99)
		}
		keys = append(keys, k)
	}
	reader := newKeyReader()
	grants := make([]apikey.Grant, len(keys))
	for i := range keys {
		value := encodeKey(&keys[i])
		alone, err := decodeKey(keys[i].ID, value)
		if err != nil {
			t.Fatal(err)
		}
		k, g, err := reader.read(keys[i].ID[:], value)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := fmt.Sprintf("%+v", *k), fmt.Sprintf("%+v", alone); got != want {
			t.Errorf("key %d is %s, want %s", i, got, want)
		}
		g.Workspace = strings.Clone(g.Workspace) // valid until the next record
		grants[i] = g
		clear(value)
	}
	for i, g := range grants {
		if want, err := keys[i].Grant(); err != nil || !reflect.DeepEqual(g, want) {
			t.Errorf("the grant of key %d is %+v, want %+v (%v)", i, g, want, err)
		}
		if same := grants[i%4].Scopes; g.Scopes != same {
			t.Errorf("key %d has a set of scopes of its own, equal to that of key %d", i, i%4)
		}
	}
	for name, value := range map[string][]byte{
		"short":                encodeKey(&keys[0]),
		numberedID(0).String(): nil,
		numberedID(1).String(): encodeKey(&keys[0]), // sealed under another name
	} {
		if _, _, err := reader.read([]byte(name), value); !IsFailure(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
