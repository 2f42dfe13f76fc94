package keystore

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/socialpatra/keygate/apikey"
)

// TestCrashes records the writes and syncs of random changes, and opens the
// store as each crash in between may leave it: by a kill, after which the
// kernel has every write, and by a loss of power, after which the disk has what
// was synced and any part of what was not. Whatever was acknowledged is there,
// the change under way is there as a whole or not at all, and nothing else
// changes. KEYGATE_LONG is for how long it goes on, with other seeds.
func TestCrashes(t *testing.T) {
	t.Parallel()
	long, _ := time.ParseDuration(os.Getenv("KEYGATE_LONG"))
	end := time.Now().Add(long)
	for seed := uint64(1); seed == 1 || time.Now().Before(end); seed++ {
		images, problem := recordCrashes(t, seed, 9, false).explore(t)
		if problem != "" {
			t.Fatalf("seed %d: %s", seed, problem)
		}
		if images < 100 {
			t.Errorf("seed %d: only %d different crashes", seed, images)
		}
	}
}

// TestCrashesAreFound looks at a store that acknowledges before the disk has it.
func TestCrashesAreFound(t *testing.T) {
	t.Parallel()
	if _, problem := recordCrashes(t, 1, 3, true).explore(t); problem == "" {
		t.Error("a store without syncs passes")
	}
}

// crashRun is what a store did to its file.
type crashRun struct {
	r      *rand.Rand
	base   []byte // the file before
	events []crashEvent
	states []map[string]map[string]string // all that is stored, after so many changes
}

// crashEvent is a diskCall, or the acknowledgement of a change.
type crashEvent struct {
	diskCall
	kept         []bool // by sector of a torn write; nil: all
	acknowledged bool
}

func recordCrashes(t *testing.T, seed uint64, changes int, noSync bool) *crashRun {
	t.Helper()
	path := writeStore(t, 3)
	base, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b := openTest(t, path)
	b.db.NoSync = noSync
	b.foldSlice = 2
	run := &crashRun{r: rand.New(rand.NewPCG(seed, 6)), base: base, states: []map[string]map[string]string{contentOf(t, b)}}
	var mu sync.Mutex
	record := func(e crashEvent) {
		mu.Lock()
		defer mu.Unlock()
		run.events = append(run.events, e)
	}
	withDisk(t, func(call diskCall) unix.Errno {
		if call.file == path {
			record(crashEvent{diskCall: call})
		}
		return 0
	}, func() {
		for n := range changes {
			if err := randomChange(run.r, b, n); err != nil {
				t.Errorf("seed %d, change %d: %v", seed, n, err)
				return
			}
			record(crashEvent{acknowledged: true})
			run.states = append(run.states, contentOf(t, b))
		}
	})
	return run
}

// randomChange makes the nth change.
func randomChange(r *rand.Rand, b *Bolt, n int) error {
	ids := []apikey.ID{}
	page, err := b.List(Query{})
	if err != nil {
		return err
	}
	for i := range page.Keys {
		ids = append(ids, page.Keys[i].ID)
	}
	some := func() apikey.ID { return ids[r.IntN(len(ids))] }
	fresh := func(i int) apikey.Key {
		k := page.Keys[0].Heir()
		k.ID, k.Prefix, k.Workspace = numberedID(1000*(n+1)+i), "patra_x", fmt.Sprintf("workspace%d", r.IntN(3))
		k.Hash[0] = 1
		return k
	}
	update := func(edit func(*apikey.Key)) error {
		_, err := b.Update(some(), "update", testActor, func(k *apikey.Key) error { edit(k); return nil })
		return err
	}
	set := apikey.NewScopeSet([]string{"posts:read", "posts:write"})
	seen := &apikey.Sighting{Scopes: set, Needed: uint64(r.IntN(4)), Network: apikey.SeveralNetworks}
	if b.foldEvery = 0; r.IntN(2) == 0 {
		b.foldEvery = foldEvery
	}
	switch r.IntN(17) {
	case 0:
		return b.Create(fresh(0), testActor)
	case 1:
		var many []apikey.Key
		for i := range 30 {
			many = append(many, fresh(i))
		}
		return b.CreateAll(many, testActor, nil)
	case 2:
		return update(func(k *apikey.Key) { k.RevokedAt = time.Unix(int64(n)+1, 0) })
	case 3:
		return update(func(k *apikey.Key) { k.Disabled = !k.Disabled })
	case 4:
		return update(func(k *apikey.Key) { k.Limits.PerDay++ })
	case 5:
		_, err := b.Rotate(some(), testActor, func(old, next *apikey.Key) error {
			next.ID, next.Hash[0], old.ExpiresAt = numberedID(1000*(n+1)+999), 2, time.Unix(int64(n)+5, 0)
			return nil
		})
		return err
	case 6:
		if len(ids) > 2 {
			return b.Delete(some(), testActor, nil)
		}
		return b.SetBrand(fmt.Sprint("brand", n))
	case 7, 8:
		return b.SaveUsage([]apikey.Usage{{ID: some(), Day: apikey.Day(n), Charged: 1, LastUsed: 60}}, []apikey.WorkspaceUsage{{Workspace: "acme", Day: apikey.Day(n), Charged: 1}})
	case 10:
		return b.SaveUsage([]apikey.Usage{{ID: some(), Day: apikey.Day(n), Seen: seen}, {ID: some(), Day: apikey.Day(n), Allowed: 1, Seen: seen}}, nil)
	case 12, 13, 14:
		var many []apikey.Usage
		for _, id := range append(ids, numberedID(5000+n)) { // the last is none
			many = append(many, apikey.Usage{ID: id, Day: apikey.Day(r.IntN(2)), Charged: uint64(n), Allowed: uint64(n), LastUsed: int64(60 * n), Seen: seen})
		}
		return b.SaveUsage(many, []apikey.WorkspaceUsage{{Workspace: "acme", Day: apikey.Day(r.IntN(2)), Charged: uint64(n)}})
	case 15:
		_, damaged, err := b.foldStep()
		return errors.Join(append(damaged, err)...)
	case 11:
		return update(func(k *apikey.Key) { k.Scopes = [][]string{{"posts:read"}, {"posts:write"}, set.List}[r.IntN(3)] })
	case 9:
		return b.SetWorkspaceLimits("acme", &apikey.WorkspaceLimits{PerDay: uint32(n) + 1}, testActor)
	default:
		return b.SaveBuckets([]apikey.Bucket{{ID: some(), Tokens: float64(n), PerMinute: 60, Burst: 60}})
	}
}

// sector is what a disk writes as a whole, in bytes.
const sector = 512

// explore opens every different file that a crash may leave, and returns how
// many there were, and what is wrong with the first that is.
func (run *crashRun) explore(t *testing.T) (images int, problem string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "crashed.db")
	seen := make(map[[sha256.Size]byte]bool)
	durable := &crashImage{content: run.base}
	var pending []crashEvent // since the last sync
	acknowledged := 0
	for at, e := range run.events {
		switch {
		case e.acknowledged:
			acknowledged++
		case e.op == "sync":
			durable = durable.with(pending...)
			pending = nil
		default:
			pending = append(pending, e)
		}
		for _, image := range run.crashes(durable, pending) {
			// The same file may be right before an acknowledgement and wrong after it.
			key := sha256.Sum256(fmt.Append(nil, acknowledged, sha256.Sum256(image.content)))
			if seen[key] {
				continue
			}
			seen[key] = true
			want := run.states[acknowledged:min(acknowledged+2, len(run.states))]
			if problem := openCrashed(t, path, image.content, want); problem != "" {
				return len(seen), fmt.Sprintf("a crash at event %d, after %d changes: %s", at, acknowledged, problem)
			}
		}
	}
	return len(seen), ""
}

// crashes are the files that a crash may leave now.
func (run *crashRun) crashes(durable *crashImage, pending []crashEvent) []*crashImage {
	images := []*crashImage{durable, durable.with(pending...)}
	if len(pending) == 0 {
		return images
	}
	last := pending[len(pending)-1]
	images = append(images, durable.with(last), durable.with(pending[:len(pending)-1]...))
	if last.op == "write" {
		for _, torn := range []crashEvent{last.sectors(func(n int) bool { return n == 0 }), last.sectors(func(n int) bool { return n > 0 })} {
			images = append(images, durable.with(torn), durable.with(append(pending[:len(pending)-1:len(pending)-1], torn)...))
		}
	}
	for range 3 {
		var some []crashEvent
		for _, e := range pending {
			if e.op == "write" {
				e = e.sectors(func(int) bool { return run.r.IntN(2) == 0 })
			}
			if run.r.IntN(4) > 0 {
				some = append(some, e)
			}
		}
		images = append(images, durable.with(some...))
	}
	return images
}

// sectors keeps of a write the sectors that reach the disk.
func (e crashEvent) sectors(keep func(n int) bool) crashEvent {
	e.kept = nil
	for n := 0; n*sector < len(e.data); n++ {
		e.kept = append(e.kept, keep(n))
	}
	return e
}

type crashImage struct{ content []byte }

// with returns the file after events in their order.
func (i *crashImage) with(events ...crashEvent) *crashImage {
	size := len(i.content)
	for _, e := range events {
		if e.op == "resize" {
			size = int(e.size)
		} else {
			size = max(size, int(e.at)+len(e.data))
		}
	}
	content := make([]byte, size)
	copy(content, i.content)
	for _, e := range events {
		for n := 0; e.op == "write" && n*sector < len(e.data); n++ {
			if e.kept == nil || e.kept[n] {
				copy(content[int(e.at)+n*sector:], e.data[n*sector:min((n+1)*sector, len(e.data))])
			}
		}
	}
	return &crashImage{content}
}

// openCrashed opens a file, and says what is wrong with it unless it holds one
// of the states.
func openCrashed(t *testing.T, path string, content []byte, states []map[string]map[string]string) string {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := OpenBolt(path)
	if err != nil {
		return err.Error()
	}
	defer b.Close()
	if damaged := b.Damaged(); len(damaged) > 0 {
		return fmt.Sprint("damaged: ", damaged)
	}
	if _, err := b.Check(func(name string, err error) { t.Errorf("%s: %v", name, err) }); err != nil || t.Failed() {
		return fmt.Sprint("it does not verify: ", err)
	}
	got := contentOf(t, b)
	for _, state := range states {
		if reflect.DeepEqual(got, state) {
			return ""
		}
	}
	return "what it holds is neither what was acknowledged nor that and the change under way"
}
