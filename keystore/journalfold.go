package keystore

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/socialpatra/keygate/apikey"
)

const (
	foldEvery  = time.Minute
	foldBytes  = 32 << 20        // of the journal, from which on it is folded before the minute is over
	foldSaves  = 600             // saves, likewise
	foldFor    = time.Second / 4 // how long one save goes on folding, so that the next one is not late
	foldSlice  = 1000            // names that one transaction folds, so that a change waits only milliseconds
	foldedPart = 4096            // parts that one transaction removes
)

// folding is how far a fold is. It is lost in a crash, after which the fold begins
// anew.
type folding struct {
	upTo    uint64 // the last run that it folds
	kind    byte   // where it goes on
	day     apikey.Day
	name    []byte
	added   bool // all is added to the records
	damaged map[string]error
}

// addUse adds to the records what a group has of a name, which all of its runs have
// reached. This is the only way from the journal to the records.
func (j *journal) addUse(r *useRecords, g *runGroup, name []byte) (found bool, err error) {
	switch g.kind {
	case kindKeys:
		u, found, counts := j.usageOf(g, apikey.ID(name))
		if counts {
			err = saveUsage(r, u)
		}
		return found, err
	case kindSeen:
		found = j.take(g, name, func(fields []byte) error {
			seen, wrong := decodeSighting(fields)
			if wrong == nil && err == nil {
				err = saveSeen(r, apikey.ID(name), g.day, seen)
			}
			return wrong
		})
		return found, err
	default:
		u, counts := apikey.WorkspaceUsage{Workspace: string(name), Day: g.day}, false
		found = j.take(g, name, func(fields []byte) error {
			var more apikey.WorkspaceUsage
			wrong := decodeCharged(fields, &more)
			if wrong == nil {
				u.Charged, counts = max(u.Charged, more.Charged), true
			}
			return wrong
		})
		if counts {
			err = saveTogether(r, u)
		}
		return found, err
	}
}

// usageOf returns the use of one key in a group of runs. found reports whether the
// group has an entry of the key, and counts whether any of its entries still counts.
func (j *journal) usageOf(g *runGroup, id apikey.ID) (u apikey.Usage, found, counts bool) {
	u = apikey.Usage{ID: id, Day: g.day}
	found = j.take(g, id[:], func(fields []byte) error {
		more := apikey.Usage{}
		err := decodeUsageFields(fields, &more)
		if err == nil {
			raise(&u, &more)
			counts = true
		}
		return err
	})
	return u, found, counts
}

// fold adds to the records what the journal has from a place on, for at most so many
// names. It moves the place.
func (j *journal) fold(r *useRecords, f *folding, most int) error {
	for i := range j.groups {
		g := &j.groups[i]
		order := g.compare(f.kind, f.day)
		if order < 0 {
			continue
		}
		var from []byte
		if order == 0 {
			from = f.name
		}
		for _, run := range g.runs {
			run.to(from)
		}
		for name := g.least(); name != nil; name = g.least() {
			if most == 0 {
				f.kind, f.day, f.name = g.kind, g.day, bytes.Clone(name)
				return nil
			}
			most--
			if _, err := j.addUse(r, g, name); err != nil {
				return err
			}
		}
	}
	f.added = true
	return nil
}

// addAll adds all of the journal that is of some kinds and names, which are sorted.
// It reports which of them it has.
func (j *journal) addAll(r *useRecords, names []apikey.ID) (has []apikey.ID, err error) {
	for _, id := range names {
		found := false
		for i := range j.groups {
			g := &j.groups[i]
			for _, run := range g.runs {
				run.to(id[:])
			}
			here, err := j.addUse(r, g, id[:])
			if err != nil {
				return nil, err
			}
			found = found || here
		}
		if found {
			has = append(has, id)
		}
	}
	return has, nil
}

// settle adds the journal's entries of some keys to their records. It also notes the
// last run as settled for these keys, so that the fold does not add the entries again.
// Whoever makes a key, deletes it or changes what its records of use depend on calls
// settle first, in the same transaction. So the records become what they would be if
// each save had been added at once.
func (b *Bolt) settle(tx *bolt.Tx, ids ...apikey.ID) error {
	j := readJournal(tx, string([]byte{kindKeys, kindSeen}), everything)
	if len(j.groups) == 0 {
		return nil
	}
	slices.SortFunc(ids, compareIDs)
	has, err := j.addAll(b.written(tx), slices.Compact(ids))
	if err != nil {
		return err
	}
	last := tx.Bucket(bucketJournal).Sequence()
	for _, id := range has {
		if err := tx.Bucket(bucketSettled).Put(id[:], encodeSettled(id[:], last)); err != nil {
			return err
		}
	}
	return nil
}

// settleAll settles keys that are made.
func (b *Bolt) settleAll(tx *bolt.Tx, keys []apikey.Key) error {
	if name, _ := tx.Bucket(bucketJournal).Cursor().First(); name == nil {
		return nil
	}
	var ids []apikey.ID
	for i := range keys {
		ids = append(ids, accountsOf(&keys[i])...)
	}
	return b.settle(tx, ids...)
}

func compareIDs(x, y apikey.ID) int { return bytes.Compare(x[:], y[:]) }

// foldStep does a part of folding the journal, in one short transaction. It begins a
// fold of all runs unless one is under way. more is false after the last step of a
// fold, and if there is nothing to fold. The last step returns the damaged records that
// the fold has met.
func (b *Bolt) foldStep() (more bool, damaged []error, err error) {
	b.writing.Lock()
	defer b.writing.Unlock()
	f := b.folding
	if f.upTo == 0 {
		err := b.view(func(tx *bolt.Tx) error {
			if parts := tx.Bucket(bucketJournal); parts != nil {
				if name, _ := parts.Cursor().Last(); name != nil {
					number, _, _, _ := runOf(name)
					f.upTo = max(parts.Sequence(), number, 1)
				}
			}
			return nil
		})
		if err != nil || f.upTo == 0 {
			return false, nil, err
		}
		f.damaged = make(map[string]error)
		b.foldedAt, b.journaled = b.now(), 0
	}
	done := false
	err = b.commit(func(tx *bolt.Tx) error {
		if !f.added {
			j := readJournal(tx, string([]byte{kindKeys, kindSeen, kindWorkspaces}), f.upTo)
			if err := j.fold(b.written(tx), &f, b.foldSlice); err != nil {
				return err
			}
			maps.Copy(f.damaged, j.damaged)
		}
		if f.added {
			done, err = removeFolded(tx, f.upTo)
		}
		return err
	})
	if err != nil {
		return false, nil, err
	}
	if b.folding = f; !done {
		return true, nil, nil
	}
	b.folding = folding{}
	return false, problemsOf(f.damaged), nil
}

func problemsOf(damaged map[string]error) (problems []error) {
	names := make([]string, 0, len(damaged))
	for name := range damaged {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		problems = append(problems, damaged[name])
	}
	return problems
}

// removeFolded removes runs that are folded, the oldest first, and then the numbers
// up to which keys are settled in them. done is false if there are more.
func removeFolded(tx *bolt.Tx, upTo uint64) (done bool, err error) {
	parts, settled := tx.Bucket(bucketJournal), tx.Bucket(bucketSettled)
	var names [][]byte
	cursor := parts.Cursor()
	for name, _ := cursor.First(); name != nil; name, _ = cursor.Next() {
		if number, _, _, ok := runOf(name); ok && number > upTo {
			break
		}
		if len(names) == foldedPart {
			return false, deleteAll(parts, names)
		}
		names = append(names, name)
	}
	if err := deleteAll(parts, names); err != nil {
		return false, err
	}
	names = names[:0]
	cursor = settled.Cursor()
	for name, value := cursor.First(); name != nil; name, value = cursor.Next() {
		if number, err := decodeSettled(name, value); err != nil || number <= upTo {
			if len(names) == foldedPart {
				return false, deleteAll(settled, names)
			}
			names = append(names, name)
		}
	}
	return true, deleteAll(settled, names)
}

// foldAll folds what is in the journal now.
func (b *Bolt) foldAll() (damaged []error, err error) {
	if err := b.accepting(); err != nil {
		return nil, err
	}
	for range 2 { // one that is under way has not all
		for more := true; more; {
			var found []error
			if more, found, err = b.foldStep(); err != nil {
				return damaged, err
			}
			damaged = append(damaged, found...)
		}
	}
	return damaged, nil
}

// foldDue folds for a while if it is time to. If the disk refuses it, what was saved
// is there all the same, and Writable tells of it.
func (b *Bolt) foldDue() error {
	if !b.due() {
		return nil
	}
	var damaged []error
	for start := b.now(); ; {
		more, found, err := b.foldStep()
		damaged = append(damaged, found...)
		if err != nil || !more || b.now().Sub(start) >= foldFor {
			return errors.Join(damaged...)
		}
	}
}

func (b *Bolt) due() bool {
	b.writing.Lock()
	defer b.writing.Unlock()
	since := b.now().Sub(b.foldedAt)
	return b.folding.upTo != 0 || since >= b.foldEvery || since < 0 || b.journaled >= foldBytes
}
