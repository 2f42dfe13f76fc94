package redisstore

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// inTrail is the member of auditByWs of an entry; see placing.
func inTrail(at keystore.AuditPlace, seq uint64) string {
	return fmt.Sprintf("%s\x00%020d:%020d", at.Workspace, at.Number, seq)
}

// cutTrail undoes inTrail. seq is 0 for the last number of a trail that has no entry.
func cutTrail(member string) (at keystore.AuditPlace, seq uint64, ok bool) {
	workspace, rest, found := strings.Cut(member, "\x00")
	at.Workspace = workspace
	var err, err2 error
	if last, ended := strings.CutPrefix(rest, "-"); ended {
		at.Number, err = strconv.ParseUint(last, 10, 64)
	} else {
		number, text, _ := strings.Cut(rest, ":")
		at.Number, err = strconv.ParseUint(number, 10, 64)
		seq, err2 = strconv.ParseUint(text, 10, 64)
	}
	return at, seq, found && errors.Join(err, err2) == nil
}

// placeIn reads a value of places. "" has none.
func placeIn(text string) (keystore.AuditPlace, bool) {
	number, workspace, found := strings.Cut(text, " ")
	n, err := strconv.ParseUint(number, 10, 64)
	return keystore.AuditPlace{Workspace: workspace, Number: n}, found && err == nil && (n > 0) == (workspace != "")
}

// auditOfWorkspace is Audit for one workspace.
func (s *Store) auditOfWorkspace(q keystore.AuditQuery) (keystore.AuditPage, error) {
	if err := s.placeTrail(time.Now().Add(s.grace())); err != nil {
		return keystore.AuditPage{}, err
	}
	limit := keystore.PageSize(q.Limit)
	find := s.placedIn
	if !q.Key.IsZero() {
		find = s.placedOfKey
	}
	numbers, seqs, err := find(q, limit+1)
	if err != nil {
		return keystore.AuditPage{}, err
	}
	entries, err := s.entriesAt(seqs)
	if err != nil {
		return keystore.AuditPage{}, err
	}
	page := keystore.AuditPage{Entries: entries}
	for i := range entries {
		entries[i].Seq = numbers[i]
		if !q.Key.IsZero() {
			entries[i].Key = q.Key
		}
	}
	if len(entries) > limit {
		page.Entries = entries[:limit]
		page.Next = numbers[limit-1]
	}
	return page, nil
}

// placedIn returns the numbers of the entries of a workspace, newest first: in its
// trail and in that of all.
func (s *Store) placedIn(q keystore.AuditQuery, some int) (numbers, seqs []uint64, err error) {
	to := "(" + q.Workspace + "\x01"
	if q.Before > 0 {
		to = "(" + inTrailBefore(q.Workspace, q.Before)
	}
	m, err := s.conn.Do(s.conn.B().Zrevrangebylex().Key(s.names.auditByWs).Max(to).Min("["+q.Workspace+"\x000").Limit(0, int64(some)).Build())
	if err != nil {
		return nil, nil, err
	}
	members, err := m.AsStrSlice()
	for _, member := range members {
		if at, seq, ok := cutTrail(member); ok {
			numbers, seqs = append(numbers, at.Number), append(seqs, seq)
		}
	}
	return numbers, seqs, err
}

// inTrailBefore sorts before the entry of a workspace with a number, and after those
// with lower ones.
func inTrailBefore(workspace string, number uint64) string {
	return fmt.Sprintf("%s\x00%020d", workspace, number)
}

// placedOfKey returns the entries of a key, newest first, and stops at the first one that
// is of another workspace. So a key that is in another workspace now has none, whatever
// q.Before is.
func (s *Store) placedOfKey(q keystore.AuditQuery, some int) (numbers, seqs []uint64, err error) {
	step := 2 // most keys are of another workspace, or have few entries
	if q.Before > 0 {
		step = pageLen
	}
	for before := uint64(math.MaxUint64); ; step = max(some, step) {
		members, err := s.keyMembers(q.Key, before, step)
		if err != nil || len(members) == 0 {
			return numbers, seqs, err
		}
		places, err := s.placesOf(members)
		if err != nil {
			return nil, nil, err
		}
		for i, seq := range members {
			before = seq
			switch at, ok := placeIn(places[i]); {
			case !ok, at.Number == 0: // of no workspace
			case at.Workspace != q.Workspace, len(seqs) == some:
				return numbers, seqs, nil
			case q.Before > 0 && at.Number >= q.Before:
			default:
				numbers, seqs = append(numbers, at.Number), append(seqs, seq)
			}
		}
		if len(members) < step || len(seqs) == some {
			return numbers, seqs, nil
		}
	}
}

// keyMembers returns the numbers of the entries of a key below one, newest first.
func (s *Store) keyMembers(id apikey.ID, before uint64, some int) (seqs []uint64, err error) {
	m, err := s.conn.Do(s.conn.B().Zrevrangebylex().Key(s.names.auditByKey).Max("("+byKey(id, before)).Min("["+id.String()+":").
		Limit(0, int64(some)).Build())
	if err != nil {
		return nil, err
	}
	members, err := m.AsStrSlice()
	for _, member := range members {
		_, seq, _ := cutKey(member)
		seqs = append(seqs, seq)
	}
	return seqs, err
}

// placesOf returns what places has of entries, "" for nothing.
func (s *Store) placesOf(seqs []uint64) ([]string, error) {
	if len(seqs) == 0 {
		return nil, nil
	}
	fields := make([]string, len(seqs))
	for i, seq := range seqs {
		fields[i] = formatUint(seq)
	}
	m, err := s.conn.Do(s.conn.B().Hmget().Key(s.names.places).Field(fields...).Build())
	if err != nil {
		return nil, err
	}
	places, err := m.ToArray()
	if err == nil && len(places) != len(seqs) {
		err = fmt.Errorf("%w: the places of audit entries cannot be read", keystore.ErrDamaged)
	}
	if err != nil {
		return nil, err
	}
	texts := make([]string, len(places))
	for i := range places {
		if !places[i].IsNil() {
			if texts[i], err = places[i].ToString(); err != nil {
				return nil, err
			}
		}
	}
	return texts, nil
}

// entriesAt returns the entries with these numbers. One that cannot be read is shown
// in its place.
func (s *Store) entriesAt(seqs []uint64) ([]keystore.AuditEntry, error) {
	var cmds []rueidis.Completed
	for _, seq := range seqs {
		cmds = append(cmds, s.conn.B().Zrangebyscore().Key(s.names.audit).Min(formatUint(seq)).Max(formatUint(seq)).Build())
	}
	if len(cmds) == 0 {
		return nil, nil
	}
	var entries []keystore.AuditEntry
	for i, reply := range s.conn.DoMulti(cmds...) {
		if reply.Err != nil {
			return nil, reply.Err
		}
		found, err := reply.AsStrSlice()
		if err != nil {
			return nil, err
		}
		e := keystore.AuditEntry{Seq: seqs[i], Action: actionDamaged}
		if len(found) > 0 {
			e, _ = decodeAudit(found[0])
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// fillAudit copies the trail up to a number into a backup, with the places that its
// entries have. What is newer is of a change that may be missing there.
func (s *Store) fillAudit(f *keystore.Builder, last uint64) error {
	var page []keystore.AuditEntry
	flush := func() error {
		seqs := make([]uint64, len(page))
		for i := range page {
			seqs[i] = page[i].Seq
		}
		places, err := s.placesOf(seqs)
		if err != nil {
			return err
		}
		for i := range page {
			at, ok := placeIn(places[i])
			if !ok && page[i].Key.IsZero() {
				continue // it was pruned meanwhile, or Check tells of it
			}
			if err := f.Audit(page[i], at); err != nil {
				return err
			}
		}
		page = page[:0]
		return nil
	}
	err := s.eachAudit(func(member string) error {
		e, err := decodeAudit(member)
		if err != nil || e.Seq > last {
			return nil //nolint:nilerr // Check tells of it
		}
		if page = append(page, e); len(page) < pageLen {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	if err != nil {
		return err
	}
	return s.fillLastNumbers(f)
}

// fillLastNumbers copies the last numbers of those trails that have no entry left.
func (s *Store) fillLastNumbers(f *keystore.Builder) error {
	return s.scan(func(cursor uint64) rueidis.Completed {
		return s.conn.B().Zscan().Key(s.names.auditByWs).Cursor(cursor).Match("*\x00-*").Count(pageLen).Build()
	}, func(elements []string) error {
		for i := 0; i+1 < len(elements); i += 2 { // member, score
			if at, seq, ok := cutTrail(elements[i]); ok && seq == 0 {
				if err := f.AuditNumber(at); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
