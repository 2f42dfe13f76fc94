package keystore

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// TestAcknowledgedIsOnDisk copies the file after each write returned, as a
// crash at that moment would leave it, and opens the copy.
func TestAcknowledgedIsOnDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keygate.db")
	b := openTest(t, path)
	k := testKey(t)
	other := mustID(t, "aaaaaaaaaaaa")
	for _, step := range []struct {
		name  string
		write func() error
		check func(*Bolt) bool
	}{
		{
			"create", func() error { return b.Create(k, testActor) },
			func(c *Bolt) bool { got, err := c.Get(k.ID); return err == nil && got.Hash == k.Hash },
		},
		{
			"brand", func() error { return b.SetBrand("acme") },
			func(c *Bolt) bool { brand, err := c.Brand(); return err == nil && brand == "acme" },
		},
		{
			"usage", func() error { return b.SaveUsage([]apikey.Usage{{ID: k.ID, Day: 1, Charged: 9}}, nil) },
			func(c *Bolt) bool {
				u, err := c.Usage(k.ID, 1, 1)
				return err == nil && len(u) == 1 && u[0].Charged == 9
			},
		},
		{
			"what is seen", func() error {
				return b.SaveUsage([]apikey.Usage{{ID: k.ID, Day: 1 << 20, Seen: &apikey.Sighting{Scopes: apikey.NewScopeSet(k.Scopes), Needed: 1}}}, nil)
			},
			func(c *Bolt) bool {
				seen, err := c.Seen([]apikey.ID{k.ID})
				return err == nil && seen[0].Scopes[0].Last == 1<<20
			},
		},
		{"rotate", func() error {
			_, err := b.Rotate(k.ID, testActor, func(old, next *apikey.Key) error {
				next.ID, next.Hash[0], old.ExpiresAt = other, 1, time.Unix(5, 0)
				return nil
			})
			return err
		}, func(c *Bolt) bool {
			old, ok, _ := c.Lookup(k.ID)
			_, both, _ := c.Lookup(other)
			return ok && both && old.ExpiresAt == 5e9
		}},
		{"revoke", func() error {
			_, err := b.Update(k.ID, "revoke", testActor, func(k *apikey.Key) error { k.RevokedAt = time.Unix(9, 0); return nil })
			return err
		}, func(c *Bolt) bool { g, ok, _ := c.Lookup(k.ID); return ok && g.State == apikey.StateRevoked }},
		{
			"delete", func() error { return b.Delete(other, testActor, nil) },
			func(c *Bolt) bool { _, ok, _ := c.Lookup(other); return !ok },
		},
	} {
		if err := step.write(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		copied := filepath.Join(t.TempDir(), "copy.db")
		if err := os.WriteFile(copied, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if c := openTest(t, copied); !step.check(c) || len(c.Damaged()) != 0 {
			t.Errorf("%s was acknowledged, but is not in the file", step.name)
		}
	}
}

// TestOpenOfEveryDamage opens a store with damage anywhere: whatever opens has
// no key that differs from what was stored, and nothing panics.
func TestOpenOfEveryDamage(t *testing.T) {
	t.Parallel()
	path := writeStore(t, 20)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := make(map[apikey.ID]apikey.Grant)
	b := openTest(t, path)
	page, err := b.List(Query{})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range page.Keys {
		want[k.ID], _ = b.index.Lookup(k.ID)
	}
	b.Close()

	used := usedSize(t, path)
	damagedPath := filepath.Join(t.TempDir(), "keygate.db")
	opened, refused := 0, 0
	for at := 5; at < int(used); at += int(used)/300 | 1 {
		damaged := bytes.Clone(whole)
		for i := range min(8, len(damaged)-at) {
			damaged[at+i] ^= 0xff
		}
		if err := os.WriteFile(damagedPath, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		b, err := OpenBolt(damagedPath)
		if err != nil {
			refused++
			continue
		}
		opened++
		for id, grant := range want {
			got, ok := b.index.Lookup(id)
			if ok && (got.Hash != grant.Hash || got.State != grant.State || got.Workspace != grant.Workspace) {
				t.Errorf("damage at %d changes key %s", at, id)
			}
			if k, err := b.Get(id); err == nil && k.Hash != grant.Hash {
				t.Errorf("damage at %d changes what is read of key %s", at, id)
			}
		}
		if n := b.index.Len(); n > len(want) {
			t.Errorf("damage at %d makes %d keys of %d", at, n, len(want))
		}
		b.Close()
	}
	if opened == 0 || refused == 0 {
		t.Errorf("%d opened, %d refused; want some of each", opened, refused)
	}
}
