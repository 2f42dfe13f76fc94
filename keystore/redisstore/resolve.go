package redisstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/keystore"
)

// fate is what has become of a change.
type fate int

const (
	underWay fate = iota
	made
	undone
)

// grace is for how long a change may be under way before others give it up.
func (s *Store) grace() time.Duration { return max(time.Second, 4*s.conn.Config().Timeout) }

// giveUp notes that this process does not go on with a change, so that nobody
// has to wait before it is resolved.
func (s *Store) giveUp(name string) {
	s.givenUpMu.Lock()
	defer s.givenUpMu.Unlock()
	if s.givenUp == nil {
		s.givenUp = make(map[string]bool)
	}
	if len(s.givenUp) < mostGivenUp { // beyond that, grace is waited for
		s.givenUp[name] = true
	}
}

const mostGivenUp = 10_000

func (s *Store) isGivenUp(name string) bool {
	s.givenUpMu.Lock()
	defer s.givenUpMu.Unlock()
	return s.givenUp[name]
}

func (s *Store) resolved(name string) {
	s.givenUpMu.Lock()
	defer s.givenUpMu.Unlock()
	delete(s.givenUp, name)
}

// note is a change in pending.
type note struct {
	name, keys string
	age        time.Duration // since somebody was last known to go on with it
}

func (n *note) concerns(id apikey.ID) bool {
	return slices.Contains(strings.Split(n.keys, ","), id.String())
}

// notes returns the changes that are under way, or that nobody goes on with.
func (s *Store) notes() ([]note, error) {
	m, err := s.conn.Run(pendingScript, []string{s.names.meta, s.names.pending}, nil)
	if err != nil {
		return nil, err
	}
	texts, err := m.AsStrSlice()
	if err != nil || len(texts) == 0 {
		return nil, errors.Join(err, keystore.ErrDamaged)
	}
	now, err := strconv.ParseInt(texts[0], 10, 64)
	if err != nil {
		return nil, err
	}
	var notes []note
	for i := 1; i+1 < len(texts); i += 2 {
		parts := strings.SplitN(texts[i+1], " ", 3)
		since, _ := strconv.ParseInt(parts[0], 10, 64) // a note that cannot be read is an old one
		n := note{name: texts[i], keys: parts[len(parts)-1], age: time.Duration(now-since) * time.Millisecond}
		notes = append(notes, n)
	}
	return notes, nil
}

// resolveNotes finishes or undoes the changes that nobody goes on with, and
// returns how many they were.
func (s *Store) resolveNotes() (n int, err error) {
	notes, err := s.notes()
	if err != nil {
		return 0, err
	}
	for i := range notes {
		note := &notes[i]
		// A note from the future is stale, too: the engine's clock was ahead when it
		// was made.
		stale := note.age > s.grace() || note.age < -time.Minute
		if !stale && !s.isGivenUp(note.name) {
			continue
		}
		if s.isClosing() {
			return n, errClosing
		}
		_, failed := s.resolve(note.name, note.keys, true)
		if errors.Is(failed, keystore.ErrDamaged) { // nobody can; the records tell what the index has to have
			_, failed = s.conn.Do(s.conn.B().Hdel().Key(s.names.pending).Field(note.name).Build())
			due(s.scanDue)
		}
		if failed != nil {
			err = errors.Join(err, failed)
			continue
		}
		n++
	}
	return n, err
}

// finish finishes changes of a key that are decided, and resolves those that this
// process has given up: who repeats a change finds it made, listed and recorded.
func (s *Store) finish(id apikey.ID) error {
	notes, err := s.notes()
	if err != nil {
		return err
	}
	for i := range notes {
		if n := &notes[i]; n.concerns(id) {
			if _, err := s.resolve(n.name, n.keys, s.isGivenUp(n.name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// resolve finishes a change that is decided. One that is not is undone with
// force, and left under way without. Several may resolve one change at once.
func (s *Store) resolve(name, keys string, force bool) (fate, error) {
	c, steps, err := s.noted(name, keys)
	if err != nil {
		return underWay, err
	}
	if len(steps) == 0 { // somebody was faster, or the call that notes it never came
		s.resolved(name)
		return s.markOf(name, keys)
	}
	last := steps[len(steps)-1]
	how := "ask"
	if force {
		how = "close"
	}
	mark, err := s.mark(name, last[len(last)-1].ID, how)
	if err != nil || mark == "" {
		return underWay, err
	}
	is := made
	if mark != "done" {
		is = undone
		if c.pages, err = s.undo(name, steps); err != nil {
			return underWay, err
		}
	} else if c.pages, err = s.entriesNow(steps); err != nil {
		return underWay, err
	}
	for page := range c.pages {
		taken, err := c.settle(page, keystore.Actor{})
		if err != nil {
			return underWay, err
		}
		if taken {
			return is, nil
		}
	}
	c.clear()
	s.resolved(name)
	return is, nil
}

// noted reads what a change has noted. It has no steps where it is cleared.
func (s *Store) noted(name, keys string) (c *change, pages [][]step, err error) {
	c = &change{s: s, name: name, keys: keys}
	replies := s.conn.DoMulti(s.conn.B().Hget().Key(s.names.pending).Field(name).Build(), s.conn.B().Hget().Key(s.names.entered).Field("").Build())
	header, err := text(replies[0])
	if err != nil || header == "" {
		return c, nil, err
	}
	entered, err := text(replies[1])
	if err != nil {
		return c, nil, err
	}
	read, _ := strconv.ParseInt(entered, 10, 64) // none: no key was
	parts := strings.SplitN(header, " ", 3)
	if len(parts) != 3 {
		return c, nil, fmt.Errorf("%w: the note of the change %+q cannot be read", keystore.ErrDamaged, name)
	}
	n, _ := strconv.Atoi(parts[1])
	for page := range n {
		m, err := s.conn.Do(s.conn.B().Hget().Key(s.names.steps).Field(name + "/" + strconv.Itoa(page)).Build())
		if err != nil || m.IsNil() { // cleared meanwhile: all pages are, or none
			return c, nil, err
		}
		text, err := m.ToString()
		if err != nil {
			return c, nil, err
		}
		number, rest, _ := strings.Cut(text, " ")
		times, err := strconv.Atoi(number)
		var steps []step
		if err == nil {
			err = json.Unmarshal([]byte(rest), &steps)
		}
		if err != nil || len(steps) == 0 {
			return c, nil, fmt.Errorf("%w: page %d of the change %+q cannot be read", keystore.ErrDamaged, page, name)
		}
		c.times, c.read, pages = append(c.times, times), append(c.read, read), append(pages, steps)
	}
	return c, pages, nil
}

// mark returns the mark of a change at one key.
func (s *Store) mark(name string, id apikey.ID, how string) (string, error) {
	m, err := s.conn.Run(closeScript, []string{s.names.recordOf(id), s.names.marksOf(id)}, []string{name, how})
	if err != nil {
		return "", err
	}
	return m.ToString()
}

// markOf is what has become of a change that somebody else has cleared.
func (s *Store) markOf(name, keys string) (fate, error) {
	ids := strings.Split(keys, ",")
	id, err := apikey.ParseID(ids[len(ids)-1])
	if err != nil {
		return undone, nil //nolint:nilerr // it never was one
	}
	mark, err := s.mark(name, id, "ask")
	if err != nil {
		return underWay, err
	}
	if mark == "done" {
		return made, nil
	}
	return undone, nil
}

// undo removes what a change has created, and returns what is to be entered.
func (s *Store) undo(name string, pages [][]step) ([][]entry, error) {
	entries := make([][]entry, len(pages))
	for p, steps := range pages {
		var keys, args [][]string
		var ids []apikey.ID
		for i := range steps {
			if id := steps[i].ID; steps[i].Made != "" {
				ids = append(ids, id)
				keys = append(keys, []string{s.names.recordOf(id), s.names.useOf(id), s.names.marksOf(id), s.names.seenOf(id)})
				args = append(args, []string{name, steps[i].Made})
			}
		}
		whose := make(map[apikey.ID]string, len(ids))
		for i, reply := range s.conn.RunAll(undoScript, keys, args) {
			s.keys.forget(ids[i])
			owner, err := text(reply)
			if err != nil {
				return nil, err
			}
			whose[ids[i]] = owner
		}
		now, err := s.entriesNow([][]step{steps})
		if err != nil {
			return nil, err
		}
		for i, e := range now[0] {
			// What has no place in the trail only brings the index up to date.
			owner, created := whose[steps[i].ID]
			if !created && e.audit != nil || owner == "another" {
				e.op = ""
			}
			if owner != "this" {
				e.audit = nil
			}
			entries[p] = append(entries[p], e)
		}
	}
	return entries, nil
}

// entriesNow are the entries of steps for the records that there are.
func (s *Store) entriesNow(pages [][]step) ([][]entry, error) {
	entries := make([][]entry, len(pages))
	for p, steps := range pages {
		ids := make([]apikey.ID, len(steps))
		for i := range steps {
			ids[i] = steps[i].ID
		}
		records, err := s.records(ids)
		if err != nil {
			return nil, err
		}
		for i, st := range steps {
			was := apikey.Key{ID: st.ID, Workspace: st.Workspace, Opaque: len(st.Hash) > 0}
			copy(was.Hash[:], st.Hash)
			e := entryOf(records[i], &was)
			e.of = st.Workspace
			if len(st.Audit) > 0 {
				e.audit = new(keystore.AuditEntry)
				if err := json.Unmarshal(st.Audit, e.audit); err != nil {
					return nil, fmt.Errorf("%w: a change of key %s: %w", keystore.ErrDamaged, st.ID, err)
				}
			}
			entries[p] = append(entries[p], e)
		}
	}
	return entries, nil
}

func (s *Store) recordQuestions(ids []apikey.ID) []rueidis.Completed {
	cmds := make([]rueidis.Completed, len(ids))
	for i, id := range ids {
		cmds[i] = s.conn.B().Get().Key(s.names.recordOf(id)).Build()
	}
	return cmds
}

// recordIn is the record in an answer, nil for none.
func recordIn(reply redis.Reply) ([]byte, error) {
	if reply.Err != nil || reply.IsNil() {
		return nil, reply.Err
	}
	return reply.AsBytes()
}
