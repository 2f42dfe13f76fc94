package keystore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/socialpatra/keygate/apikey"
)

// asSchema3 takes from a store file what schema 4 has added.
func asSchema3(t *testing.T, path string) {
	t.Helper()
	editFile(t, path, func(tx *bolt.Tx) error {
		var names [][]byte
		byKey := tx.Bucket(bucketAuditByKey)
		err := byKey.ForEach(func(name, _ []byte) error { names = append(names, name); return nil })
		for _, name := range names {
			err = errors.Join(err, byKey.Put(name, nil))
		}
		return errors.Join(err, tx.DeleteBucket(bucketAuditByWorkspace),
			tx.Bucket(bucketMeta).Put(metaSchema, binary.BigEndian.AppendUint32(nil, 3)))
	})
}

// changedAtRandom returns the path of a store after changes of all kinds in several
// workspaces, in which IDs come again in other workspaces.
func changedAtRandom(t *testing.T, r *rand.Rand, changes int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keygate.db")
	b := openTest(t, path)
	b.db.NoSync = true // no test of crashes
	workspaces := []string{"a", "a-b", "b"}
	for step := range changes {
		id := numberedID(r.IntN(12))
		actor := Actor{At: testActor.At.Add(time.Duration(step) * time.Second), Via: fmt.Sprint("step ", step)}
		k := testKey(t)
		k.ID, k.Workspace = id, workspaces[r.IntN(3)]
		_, err := b.Get(id)
		switch op := r.IntN(8); {
		case op == 0:
			err = b.SetWorkspaceLimits(k.Workspace, &apikey.WorkspaceLimits{PerDay: uint32(step + 1)}, actor)
		case errors.Is(err, ErrNotFound) && op < 3:
			err = b.CreateAll([]apikey.Key{k}, actor, nil)
		case errors.Is(err, ErrNotFound):
			err = b.Create(k, actor)
		case op == 1:
			err = b.Delete(id, actor, nil)
		case op == 2:
			heir := numberedID(100 + step)
			_, err = b.Rotate(id, actor, func(_, next *apikey.Key) error { next.ID, next.Hash[0] = heir, 1; return nil })
		default:
			_, err = b.Update(id, "update", actor, func(k *apikey.Key) error { k.Name = fmt.Sprint(step); return nil })
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func contentAt(t *testing.T, path string) map[string]map[string]string {
	t.Helper()
	b := openTest(t, path)
	defer b.Close()
	return contentOf(t, b)
}

// TestUpgradeFromSchema3 has files of schema 3, which become what they would be if
// schema 4 had made them.
func TestUpgradeFromSchema3(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	path := changedAtRandom(t, rand.New(rand.NewPCG(seed, 1)), 300)
	want := contentAt(t, path)
	asSchema3(t, path)
	if _, err := VerifyFile(path); err != nil {
		t.Errorf("a file of schema 3 does not verify: %v", err)
	}
	old, err := ReadBolt(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := old.Audit(AuditQuery{Workspace: "a"}); !IsFailure(err) {
		t.Errorf("the trail of a workspace, of a file that has none: %v", err)
	}
	if page, err := old.Audit(AuditQuery{Limit: MaxPage}); err != nil || len(page.Entries) < 300 {
		t.Errorf("the trail of all: %d, %v", len(page.Entries), err)
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // upgraded, and opened again
		if got := contentAt(t, path); !reflect.DeepEqual(got, want) {
			for bucket := range want {
				if !reflect.DeepEqual(got[bucket], want[bucket]) {
					t.Errorf("the bucket %s differs: %d of %d", bucket, len(got[bucket]), len(want[bucket]))
				}
			}
		}
	}
	if _, err := VerifyFile(path); err != nil {
		t.Error(err)
	}
}

// TestUpgradePruned has files of schema 3 whose first entries are pruned or damaged:
// what is left has the same places among each other.
func TestUpgradePruned(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 2))
	path := changedAtRandom(t, r, 300)
	b := openTest(t, path)
	if err := b.Prune(0, testActor.At.Add(100*time.Second)); err != nil {
		t.Fatal(err)
	}
	want := make(map[string][]AuditEntry)
	for _, workspace := range []string{"a", "a-b", "b"} {
		page, err := b.Audit(AuditQuery{Workspace: workspace, Limit: MaxPage})
		if err != nil {
			t.Fatal(err)
		}
		last := page.Entries[len(page.Entries)-1].Seq
		for _, e := range page.Entries {
			e.Seq -= last - 1
			want[workspace] = append(want[workspace], e)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	asSchema3(t, path)
	b = openTest(t, path)
	for workspace, want := range want {
		page, err := b.Audit(AuditQuery{Workspace: workspace, Limit: MaxPage})
		if err != nil || !reflect.DeepEqual(page.Entries, want) {
			t.Errorf("%s: %d entries of %d, %v", workspace, len(page.Entries), len(want), err)
		}
	}
	wantNoProblem(t, b)
}

func wantNoProblem(t *testing.T, b *Bolt) {
	t.Helper()
	if _, err := b.Check(func(name string, problem error) { t.Errorf("%s: %v", name, problem) }); err != nil {
		t.Error(err)
	}
}

// TestKeyWorkspaces: an entry is of the workspace that its key was in, if any of the
// entries of that life, or the key that there is, tells.
func TestKeyWorkspaces(t *testing.T) {
	made := func(workspace string) AuditEntry {
		return AuditEntry{Action: "create", Changes: map[string]Change{"workspace": {To: workspace}}}
	}
	gone := func(workspace string) AuditEntry {
		e := AuditEntry{Action: "delete", Changes: map[string]Change{"workspace": {From: workspace}}}
		if workspace == "" {
			e.Changes = nil // of a damaged record
		}
		return e
	}
	change := AuditEntry{Action: "update"}
	for _, tt := range []struct {
		name    string
		entries []AuditEntry
		now     string
		want    []string
	}{
		{"none", nil, "a", []string{}},
		{"whole life", []AuditEntry{made("a"), change, gone("a")}, "", []string{"a", "a", "a"}},
		{"pruned", []AuditEntry{change, change}, "a", []string{"a", "a"}},
		{"pruned and deleted", []AuditEntry{change, gone("a")}, "", []string{"a", "a"}},
		{"pruned, deleted, and made elsewhere", []AuditEntry{change, gone("a"), made("b"), change}, "b", []string{"a", "a", "b", "b"}},
		{"damaged", []AuditEntry{made("a"), change, gone("")}, "", []string{"a", "a", "a"}},
		{"damaged, and made elsewhere", []AuditEntry{made("a"), gone(""), made("b")}, "b", []string{"a", "a", "b"}},
		{"damaged twice, and made elsewhere", []AuditEntry{change, gone(""), {Action: actionDamaged}, change}, "b", []string{"", "", "b", "b"}},
		{"nothing tells", []AuditEntry{change, gone("")}, "", []string{"", ""}},
		{"nothing tells, and made elsewhere", []AuditEntry{change, gone(""), made("b")}, "b", []string{"", "", "b"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := KeyWorkspaces(tt.entries, tt.now); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%q; want %q", got, tt.want)
			}
		})
	}
}
