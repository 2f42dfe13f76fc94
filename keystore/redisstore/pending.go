package redisstore

import (
	"bytes"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // it tells records apart, and proves nothing
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/keystore"
)

// A record and its place in the index are in different slots, so that no change
// is one step. Four of them are safe to be cut off anywhere:
//
//  1. the change is noted, with all that the administration will have to know;
//  2. records are changed, each with a mark that says so; the last one decides;
//  3. index and trail are entered, and the records looked at again, as others may
//     have changed them meanwhile;
//  4. the note is cleared.
//
// Whoever finds a note that nobody goes on with closes the deciding record, so
// that a call that is still on its way changes nothing any more; see resolve.
// Without its decision a change is undone, with it it is finished.

// change is a change under way.
type change struct {
	s     *Store
	name  string
	mine  bool   // it was begun here
	keys  string // concerned, as pending has them: the one that decides is the last
	pages [][]entry
	times []int   // how often each page was entered
	read  []int64 // how often any key was, when the records of each page were read
}

// step is what a note has of an entry.
type step struct {
	ID        apikey.ID       `json:"id"`
	Workspace string          `json:"workspace,omitempty"`
	Hash      []byte          `json:"hash,omitempty"` // of an opaque key
	Made      string          `json:"made,omitempty"` // SHA-1 of the record of a key that is created
	Audit     json.RawMessage `json:"audit,omitempty"`
}

// begin notes a change of one page. The last entry is that of the record that
// decides.
func (s *Store) begin(entries ...entry) (*change, error) { return s.beginBounded(nil, entries) }

func (s *Store) beginBounded(b *bound, entries []entry) (*change, error) {
	c := &change{s: s, name: rand.Text(), mine: true, keys: keysOf(entries)}
	return c, c.note(entries, b)
}

// fewKeys is how many keys a note names.
const fewKeys = 4

func keysOf(entries []entry) string {
	var ids []string
	for i := range entries {
		ids = append(ids, entries[i].k.ID.String())
	}
	if len(ids) > fewKeys {
		return "*," + ids[len(ids)-1]
	}
	return strings.Join(ids, ",")
}

// note notes another page, within a bound unless that is nil. Where it fails nothing
// was changed, whatever became of the note.
func (c *change) note(entries []entry, b *bound) error {
	steps := make([]step, len(entries))
	for i := range entries {
		e := &entries[i]
		steps[i] = step{ID: e.k.ID, Workspace: e.k.Workspace}
		if e.k.Opaque {
			steps[i].Hash = e.k.Hash[:]
		}
		if e.made {
			steps[i].Made = sumOf(e.bytes())
		}
		if e.audit != nil {
			line, err := json.Marshal(e.audit)
			if err != nil {
				return err
			}
			steps[i].Audit = line
		}
	}
	text, err := json.Marshal(steps)
	if err != nil {
		return err
	}
	page := len(c.pages)
	c.pages, c.times, c.read = append(c.pages, entries), append(c.times, 0), append(c.read, 0)
	n := &c.s.names
	m, err := c.s.conn.Run(noteScript, []string{n.meta, n.pending, n.steps, n.workspaces, n.revoked, n.expires, n.until, n.reserved, n.entered},
		b.args([]string{c.name, strconv.Itoa(page), c.keys, string(text)}))
	if err == nil {
		var told []int64
		switch told, err = m.AsIntSlice(); {
		case err != nil:
		case len(told) == 3:
			return &noRoomError{live: int(told[1]), reserved: int(told[2])}
		case len(told) != 2:
			err = errGivenUp
		default:
			c.read[page] = told[1]
		}
	}
	if err != nil {
		c.s.giveUp(c.name)
		return fmt.Errorf("%w: %w", keystore.ErrNotWritten, err)
	}
	return nil
}

// errGivenUp is why a change fails that another gateway has closed.
var errGivenUp = fmt.Errorf("%w: it took so long that it was undone; send the change again", redis.ErrUnavailable)

func sumOf(record []byte) string {
	sum := sha1.Sum(record) //nolint:gosec // see above
	return hex.EncodeToString(sum[:])
}

// touch tells others that the change is still being made.
func (c *change) touch() error {
	m, err := c.s.conn.Run(touchScript, []string{c.s.names.meta, c.s.names.pending}, []string{c.name, strconv.Itoa(len(c.pages)), c.keys})
	if err != nil {
		return changeError(err)
	}
	if there, err := m.AsBool(); err != nil || !there {
		return fmt.Errorf("%w: %w", keystore.ErrNotWritten, errGivenUp)
	}
	return nil
}

// swap replaces a record, of which nil is none, and reports whether it was as
// given. When it returns, no look-up of this process sees what was before.
func (c *change) swap(id apikey.ID, old, record []byte, by keystore.Actor) (bool, error) {
	n := &c.s.names
	m, have, err := c.s.conn.RunReplicated(swapScript, []string{n.recordOf(id), n.useOf(id), n.marksOf(id), n.seenOf(id)},
		append([]string{string(old), string(record), c.name}, seenChanges(id, old, record, by.At)...), c.s.replicas)
	c.s.keys.forget(id)
	if err != nil {
		return false, changeError(err)
	}
	swapped, err := swapped(redis.Reply{RedisMessage: m})
	if swapped {
		c.s.replicated(by, have)
	}
	return swapped, err
}

// swapped reads the answer of swapScript.
func swapped(reply redis.Reply) (bool, error) {
	n, err := integer(reply)
	switch {
	case err != nil:
		return false, changeError(err)
	case n == 2:
		return false, fmt.Errorf("%w: %w", keystore.ErrNotWritten, errGivenUp)
	}
	return n == 1, nil
}

// complete brings the administration up to date with a change that is decided.
// progress, unless it is nil, is told of each page.
func (c *change) complete(by keystore.Actor, progress func(keys int)) error {
	for page := range c.pages {
		taken, err := c.settle(page, by)
		if err != nil {
			return fmt.Errorf("%w: it is in force, but may be missing in the index and the audit trail for a moment: %w", keystore.ErrUnknownOutcome, err)
		}
		if taken {
			return nil
		}
		if progress != nil {
			progress(len(c.pages[page]))
		}
	}
	c.clear()
	return nil
}

// settle enters a page until the records are as they were entered. It reports
// whether somebody else has taken the change over.
func (c *change) settle(page int, by keystore.Actor) (taken bool, err error) {
	entries := c.pages[page]
	for range attempts {
		entered, err := c.enter(page, by, entries)
		if err != nil || !entered {
			return !entered, err
		}
		by = keystore.Actor{}
		if entries, err = c.changed(entries); err != nil || len(entries) == 0 {
			return false, err
		}
	}
	return false, errContended
}

// changed returns entries for those records that are not as they were entered, or
// that were not entered.
func (c *change) changed(entries []entry) (differ []entry, err error) {
	records, err := c.s.records(idsOf(entries))
	if err != nil {
		return nil, err
	}
	for i := range entries {
		var entered []byte
		if entries[i].op == "put" {
			entered = entries[i].bytes()
		}
		if entries[i].op != "" && (entries[i].overtaken || !bytes.Equal(records[i], entered)) {
			if e := entryOf(records[i], &entries[i].k); e.op != "" {
				differ = append(differ, e)
			}
		}
	}
	return differ, nil
}

func idsOf(entries []entry) []apikey.ID {
	ids := make([]apikey.ID, len(entries))
	for i := range entries {
		ids[i] = entries[i].k.ID
	}
	return ids
}

// entryOf is the entry for a record as it is, of a key that was as given.
func entryOf(record []byte, was *apikey.Key) entry {
	if record == nil {
		return entry{op: "del", k: *was}
	}
	k, err := keystore.DecodeKey(was.ID, record)
	if err != nil {
		return entry{k: *was} // Check tells of it
	}
	return entry{op: "put", k: k, record: record}
}

// records returns the records of keys, nil for none.
func (s *Store) records(ids []apikey.ID) ([][]byte, error) {
	records := make([][]byte, len(ids))
	for i, reply := range s.conn.DoMulti(s.recordQuestions(ids)...) {
		record, err := recordIn(reply)
		if err != nil {
			return nil, err
		}
		records[i] = record
	}
	return records, nil
}

// clear forgets a change that is complete, and its marks. Where that fails
// somebody else looks at it again, and finds nothing to do.
func (c *change) clear() {
	args := []string{c.name}
	for _, n := range c.times {
		args = append(args, strconv.Itoa(n))
	}
	n := &c.s.names
	m, err := c.s.conn.Run(clearScript, []string{n.meta, n.pending, n.steps, n.reserved, n.entered}, args)
	if err != nil {
		c.s.giveUp(c.name)
		return
	}
	if cleared, err := m.AsBool(); err != nil || !cleared || !c.mine {
		return
	}
	// Only whoever has all answers knows that no call is still to find the marks.
	for _, entries := range c.pages {
		var cmds []rueidis.Completed
		for i := range entries {
			cmds = append(cmds, c.s.conn.B().Hdel().Key(n.marksOf(entries[i].k.ID)).Field(c.name).Build())
		}
		_ = c.s.conn.DoMulti(cmds...) // they expire
	}
}

// end finds out what has become of a change that failed on its way. Where an
// answer was lost it waits for the engine a while. It returns nil where the change
// is made after all; an error that wraps ErrUnknownOutcome only where that cannot
// be known yet.
func (c *change) end(err error) error {
	s, uncertain := c.s, errors.Is(err, keystore.ErrUnknownOutcome)
	for deadline := time.Now().Add(s.grace()); ; {
		fate, failed := s.resolve(c.name, c.keys, true)
		switch {
		case failed == nil && fate == made:
			c.forget()
			return nil
		case failed == nil && uncertain:
			return fmt.Errorf("%w: %w", keystore.ErrNotWritten, errLostAnswer)
		case failed == nil:
			return err
		case !uncertain || time.Now().After(deadline) || s.isClosing():
			s.giveUp(c.name)
			return err
		}
		time.Sleep(endPause)
	}
}

// forget drops what this process knows of the keys of a change.
func (c *change) forget() {
	for _, entries := range c.pages {
		for i := range entries {
			c.s.keys.forget(entries[i].k.ID)
		}
	}
}

// endPause is what lies between two questions for a change whose answer was lost.
const endPause = 20 * time.Millisecond

var errLostAnswer = fmt.Errorf("%w: its answer was lost, and the change is undone", redis.ErrUnavailable)

func (s *Store) isClosing() bool {
	select {
	case <-s.closing:
		return true
	default:
		return false
	}
}
