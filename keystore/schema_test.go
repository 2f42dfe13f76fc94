package keystore

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/goldentest"
)

// schema1 writes the store that a Keygate of schema 1 made: three keys and a
// use of the first.
func schema1(t *testing.T) string {
	t.Helper()
	content := goldentest.Unpacked(t, "testdata/schema1.db.gz")
	path := filepath.Join(t.TempDir(), "keygate.db")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestUpgradeFromSchema1(t *testing.T) {
	path := schema1(t)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if keys, err := VerifyFile(path); keys != 3 || err != nil {
		t.Errorf("verify: %d keys, %v; want 3", keys, err)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("verifying has changed the file")
	}
	for range 2 { // upgraded, and opened again
		b := openTest(t, path)
		if n := b.index.Len(); n != 3 || len(b.Damaged()) != 0 {
			t.Errorf("%d keys, damaged: %v", n, b.Damaged())
		}
		if u, err := b.Usage(numberedID(0), 0, 30000); err != nil || len(u) != 1 || u[0].Charged != 7 {
			t.Errorf("usage: %+v, %v", u, err)
		}
		if brand, err := b.Brand(); brand != "acme" || err != nil {
			t.Errorf("brand %q, %v", brand, err)
		}
		if err := b.SetWorkspaceLimits("acme", &apikey.WorkspaceLimits{PerDay: 5}, testActor); err != nil {
			t.Error(err)
		}
		var schema uint32
		if err := b.view(func(tx *bolt.Tx) error { schema = schemaOf(tx); return nil }); err != nil || schema != schemaVersion {
			t.Errorf("schema %d, %v", schema, err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReadBolt(t *testing.T) {
	path := schema1(t)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := ReadBolt(path)
	if err != nil {
		t.Fatal(err)
	}
	if page, err := b.List(Query{}); err != nil || len(page.Keys) != 3 {
		t.Errorf("list: %d keys, %v", len(page.Keys), err)
	}
	if page, err := b.Audit(AuditQuery{}); err != nil || len(page.Entries) != 3 {
		t.Errorf("audit: %d entries, %v", len(page.Entries), err)
	}
	used := 0
	if err := b.UsageSince(0, func(apikey.Usage) { used++ }, nil); err != nil || used != 1 {
		t.Errorf("usage: %d, %v", used, err)
	}
	if err := b.Buckets(nil); err != nil {
		t.Errorf("buckets: %v", err)
	}
	if _, ok := b.WorkspaceLimits("acme"); ok || b.AllWorkspaceLimits() != nil {
		t.Error("there are limits of workspaces")
	}
	for _, err := range []error{b.SetBrand("acme"), b.SetBrand("other"), b.Delete(numberedID(0), testActor, nil), b.SetWorkspaceLimits("acme", nil, testActor), b.Writable()} {
		if !errors.Is(err, ErrReadOnly) {
			t.Errorf("a change: %v; want ErrReadOnly", err)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("reading has changed the file")
	}
	if _, err := ReadBolt(path + ".gone"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("read nothing: %v", err)
	}
}

func TestDamagedWorkspaceRecords(t *testing.T) {
	path := writeStore(t, 1)
	b := openTest(t, path)
	lim := apikey.WorkspaceLimits{PerMinute: 600}
	for _, name := range []string{"acme", "whole"} {
		if err := b.SetWorkspaceLimits(name, &lim, testActor); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.SaveUsage(nil, []apikey.WorkspaceUsage{{Workspace: "acme", Day: 20000, Charged: 5}}); err != nil {
		t.Fatal(err)
	}
	if err := b.SaveBuckets([]apikey.Bucket{{Workspace: "acme", Tokens: 1, PerMinute: 600, Burst: 600}}); err != nil {
		t.Fatal(err)
	}
	b.Close()
	editFile(t, path, func(tx *bolt.Tx) error {
		for bucket, name := range map[string][]byte{
			string(bucketTogether):      []byte("acme"),
			string(bucketTogetherUsage): togetherKey(20000, "acme"),
			string(bucketMinutes):       []byte("wacme"),
		} {
			value := bytes.Clone(tx.Bucket([]byte(bucket)).Get(name))
			value[len(value)-1] ^= 1
			if err := tx.Bucket([]byte(bucket)).Put(name, value); err != nil {
				return err
			}
		}
		return nil
	})
	b = openTest(t, path)
	if got, ok := b.WorkspaceLimits("acme"); !ok || got != damagedLimits {
		t.Errorf("damaged limits: %+v, %t; want %+v", got, ok, damagedLimits)
	}
	if got, ok := b.WorkspaceLimits("whole"); !ok || got != lim {
		t.Errorf("limits of another workspace: %+v, %t", got, ok)
	}
	if len(b.Damaged()) != 1 {
		t.Errorf("damaged: %v; want the limits", b.Damaged())
	}
	var used []apikey.WorkspaceUsage
	if err := b.UsageSince(20000, nil, func(u apikey.WorkspaceUsage) { used = append(used, u) }); err == nil || len(used) != 1 || used[0].Charged != exhausted {
		t.Errorf("usage: %+v, %v; want one that exhausts any quota, and an error", used, err)
	}
	if err := b.Buckets(func(b apikey.Bucket) { t.Errorf("bucket %+v", b) }); err == nil {
		t.Error("a damaged bucket is no error")
	}
	problems := 0
	if _, err := b.Check(func(string, error) { problems++ }); err != nil || problems != 3 {
		t.Errorf("check: %d problems, %v; want 3", problems, err)
	}
	if err := b.SetWorkspaceLimits("acme", &lim, testActor); err != nil { // mends it
		t.Fatal(err)
	}
	if got, _ := b.WorkspaceLimits("acme"); got != lim {
		t.Errorf("limits set again: %+v", got)
	}
}
