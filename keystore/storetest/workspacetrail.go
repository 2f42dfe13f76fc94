package storetest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// trailModel is what the trails of workspaces have to be.
type trailModel struct {
	in    map[string][]keystore.AuditEntry // oldest first; Seq is the number in the trail
	first map[string]uint64                // the number of the oldest that is left
	all   int
}

// trail reads a whole trail in pages of a size, oldest first.
func trail(t *testing.T, s keystore.Store, q keystore.AuditQuery) (entries []keystore.AuditEntry) {
	t.Helper()
	for {
		page, err := s.Audit(q)
		if err != nil {
			t.Fatalf("the trail of %q and %q: %v", q.Workspace, q.Key, err)
		}
		for _, e := range page.Entries {
			entries = append([]keystore.AuditEntry{e}, entries...)
		}
		if q.Before = page.Next; q.Before == 0 {
			return entries
		}
	}
}

// wantTrails fails unless the trails of the workspaces, and of their keys, are as the
// model has them; also in pages of any size.
func (m *trailModel) wantTrails(t *testing.T, s keystore.Store, r *rand.Rand, keys int) {
	t.Helper()
	newest := make(map[apikey.ID]string) // workspace of the last entry of each key
	lives := make(map[apikey.ID][]keystore.AuditEntry)
	whole := trail(t, s, keystore.AuditQuery{Limit: keystore.MaxPage})
	for _, e := range whole {
		if workspace := m.of(e); newest[e.Key] != workspace {
			newest[e.Key], lives[e.Key] = workspace, nil
		}
		lives[e.Key] = append(lives[e.Key], e)
	}
	for _, workspace := range []string{"a", "a-b", "b", "none"} {
		want := m.in[workspace]
		got := trail(t, s, keystore.AuditQuery{Workspace: workspace, Limit: 1 + r.IntN(12)})
		if !sameEntries(got, want) {
			t.Fatalf("the trail of %s:\n%s\nwant\n%s", workspace, short(got), short(want))
		}
		for n := range keys {
			id := keyID(n)
			var want []keystore.AuditEntry
			if newest[id] == workspace {
				for _, e := range m.in[workspace] {
					if e.Key == id {
						want = append(want, e)
					}
				}
				want = want[max(0, len(want)-len(lives[id])):]
			}
			if got := trail(t, s, keystore.AuditQuery{Workspace: workspace, Key: id, Limit: 1 + r.IntN(4)}); !sameEntries(got, want) {
				t.Fatalf("the trail of key %s in %s:\n%s\nwant\n%s", id, workspace, short(got), short(want))
			}
			before := m.first[workspace] + 1 + uint64(r.IntN(len(m.in[workspace])+2)) // also of another life of the key
			want = slices.DeleteFunc(slices.Clone(want), func(e keystore.AuditEntry) bool { return e.Seq >= before })
			if got := trail(t, s, keystore.AuditQuery{Workspace: workspace, Key: id, Before: before, Limit: 1 + r.IntN(4)}); !sameEntries(got, want) {
				t.Fatalf("the trail of key %s in %s before %d:\n%s\nwant\n%s", id, workspace, before, short(got), short(want))
			}
		}
	}
}

// of is the workspace of an entry of the whole trail.
func (m *trailModel) of(e keystore.AuditEntry) string {
	for workspace, entries := range m.in {
		for _, have := range entries {
			if have.Via == e.Via && have.Key == e.Key && have.Action == e.Action { // each change has its own Via
				return workspace
			}
		}
	}
	return ""
}

func (m *trailModel) add(workspace string, by keystore.Actor, action string, id apikey.ID) {
	e := by.Entry(action, id)
	if id.IsZero() {
		e.Workspace = workspace
	}
	e.Seq = m.first[workspace] + uint64(len(m.in[workspace])) + 1
	m.in[workspace] = append(m.in[workspace], e)
	m.all++
}

func sameEntries(got, want []keystore.AuditEntry) bool {
	if len(got) != len(want) {
		return false
	}
	for i, e := range got {
		e.Changes = nil
		e.At = e.At.UTC()
		if !reflect.DeepEqual(e, want[i]) {
			return false
		}
	}
	return true
}

func short(entries []keystore.AuditEntry) (text string) {
	for _, e := range entries {
		text += fmt.Sprintf("%d %s %s%s via %s; ", e.Seq, e.Action, e.Key, e.Workspace, e.Via)
	}
	return text
}

// testWorkspaceTrail makes random changes of keys in several workspaces, of their
// limits, imports, rotations, deletions, and keys that are made again elsewhere. The
// trail of each workspace has its own changes alone, numbered without gaps.
func testWorkspaceTrail(t *testing.T, f Factory) {
	const keys, changes = 10, 250
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 2))
	s := f.New(t)
	m := &trailModel{in: make(map[string][]keystore.AuditEntry), first: make(map[string]uint64)}
	workspaces := []string{"a", "a-b", "b"}
	in := make(map[int]string)
	for step := range changes {
		n, workspace := r.IntN(keys), workspaces[r.IntN(3)]
		by := keystore.Actor{At: now.Add(time.Duration(step) * time.Second), Via: fmt.Sprintf("step %d", step)}
		k := newKey(t, n)
		k.Workspace = workspace
		var err error
		switch op := r.IntN(8); {
		case op == 0:
			lim := &apikey.WorkspaceLimits{PerDay: uint32(step + 1)}
			err = s.SetWorkspaceLimits(workspace, lim, by)
			m.add(workspace, by, "limit", apikey.ID{})
		case in[n] == "" && op < 4:
			var some []apikey.Key
			for i := n; i < keys; i++ {
				if in[i] == "" {
					one := newKey(t, i)
					one.Workspace = workspaces[r.IntN(3)]
					some = append(some, one)
					in[i] = one.Workspace
					m.add(one.Workspace, by, "import", one.ID)
				}
			}
			err = s.CreateAll(some, by, nil)
		case in[n] == "":
			err = s.Create(k, by)
			in[n] = workspace
			m.add(workspace, by, "create", k.ID)
		case op == 1:
			err = s.Delete(k.ID, by, nil)
			m.add(in[n], by, "delete", k.ID)
			in[n] = ""
		case op == 2:
			heir := -1
			for i := range keys {
				if in[i] == "" {
					heir = i
				}
			}
			if heir < 0 {
				continue
			}
			_, err = s.Rotate(k.ID, by, func(_, next *apikey.Key) error {
				fresh := newKey(t, heir)
				next.ID, next.Hash, next.Prefix, next.CreatedAt = fresh.ID, fresh.Hash, fresh.Prefix, now
				return nil
			})
			in[heir] = in[n]
			m.add(in[n], by, "create", keyID(heir))
			m.add(in[n], by, "rotate", k.ID)
		default:
			_, err = s.Update(k.ID, "update", by, func(k *apikey.Key) error { k.Name = fmt.Sprintf("%d", step); return nil })
			m.add(in[n], by, "update", k.ID)
		}
		if err != nil {
			t.Fatalf("step %d: %v", step, err)
		}
		if step%50 == 49 {
			m.wantTrails(t, s, r, keys)
		}
	}
	wantNoProblem(t, s)
	var backup bytes.Buffer
	if err := s.Backup(&backup); err != nil {
		t.Fatal(err)
	}
	m.wantTrails(t, f.Restore(t, &backup), r, keys)
	s = f.Reopen(t, s)
	m.prune(t, s, now.Add(changes/2*time.Second))
	m.wantTrails(t, s, r, keys)
	wantNoProblem(t, s)
}

// prune drops what is older, of the store and of the model.
func (m *trailModel) prune(t *testing.T, s keystore.Store, before time.Time) {
	t.Helper()
	if err := s.Prune(0, before); err != nil {
		t.Fatal(err)
	}
	for workspace, entries := range m.in {
		for len(entries) > 0 && entries[0].At.Before(before) {
			entries = entries[1:]
			m.first[workspace]++
		}
		m.in[workspace] = entries
	}
}

func wantNoProblem(t *testing.T, s keystore.Store) {
	t.Helper()
	if _, err := s.Check(func(name string, problem error) { t.Errorf("check: %s: %v", name, problem) }); err != nil {
		t.Error(err)
	}
}

// testWorkspaceTrailPruned: numbers go on where all before them are pruned, also in a
// backup.
func testWorkspaceTrailPruned(t *testing.T, f Factory) {
	s := f.New(t)
	create(t, s, newKey(t, 1), newKey(t, 2))
	for range 2 {
		if err := s.Prune(0, now.Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		if got := trail(t, s, keystore.AuditQuery{Workspace: "acme"}); len(got) != 0 {
			t.Errorf("the trail has %s", short(got))
		}
		wantNoProblem(t, s)
		s = f.Reopen(t, s)
	}
	var backup bytes.Buffer
	if err := s.Backup(&backup); err != nil {
		t.Fatal(err)
	}
	for _, s := range []keystore.Store{s, f.Restore(t, &backup)} {
		create(t, s, newKey(t, 3))
		if got := trail(t, s, keystore.AuditQuery{Workspace: "acme"}); len(got) != 1 || got[0].Seq != 3 || got[0].Key != keyID(3) {
			t.Errorf("the trail is %s; want number 3", short(got))
		}
		if err := s.Prune(0, now.Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		create(t, s, newKey(t, 4))
		if got := trail(t, s, keystore.AuditQuery{Workspace: "acme"}); len(got) != 1 || got[0].Seq != 4 {
			t.Errorf("the trail is %s; want number 4", short(got))
		}
		wantNoProblem(t, s)
	}
}

// testWorkspaceTrailDamaged deletes keys whose records are damaged: their workspaces
// see it.
func testWorkspaceTrailDamaged(t *testing.T, f Factory) {
	s := f.New(t)
	other := newKey(t, 2)
	other.Workspace = "other"
	create(t, s, newKey(t, 1), other)
	s = f.Tamper(t, s, Tampering{Damaged: []apikey.ID{keyID(1), keyID(2)}})
	for n, workspace := range map[int]string{1: "acme", 2: "other"} {
		if err := s.Delete(keyID(n), by, nil); err != nil {
			t.Fatal(err)
		}
		got := trail(t, s, keystore.AuditQuery{Workspace: workspace})
		if len(got) != 2 || got[1].Action != "delete" || got[1].Key != keyID(n) || got[1].Seq != 2 {
			t.Errorf("the trail of %s is %s", workspace, short(got))
		}
	}
}
