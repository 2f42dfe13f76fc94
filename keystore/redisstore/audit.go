package redisstore

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// actionDamaged stands in an entry that cannot be read, as in a store file.
const actionDamaged = "(damaged entry)"

// decodeAudit reads a member of names.audit.
func decodeAudit(member string) (keystore.AuditEntry, error) {
	number, line, _ := strings.Cut(member, " ")
	var e keystore.AuditEntry
	seq, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return e, fmt.Errorf("%w: an audit entry without a number", keystore.ErrDamaged)
	}
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		return keystore.AuditEntry{Seq: seq, Action: actionDamaged}, fmt.Errorf("audit entry %d: %w: %w", seq, keystore.ErrDamaged, err)
	}
	e.Seq = seq
	return e, nil
}

// Audit implements [keystore.Store].
func (s *Store) Audit(q keystore.AuditQuery) (keystore.AuditPage, error) {
	if err := s.open(); err != nil {
		return keystore.AuditPage{}, err
	}
	if q.Workspace != "" {
		return s.auditOfWorkspace(q)
	}
	limit := keystore.PageSize(q.Limit)
	entries, err := s.auditOf(q, limit+1)
	if err != nil {
		return keystore.AuditPage{}, err
	}
	page := keystore.AuditPage{Entries: entries}
	if len(entries) > limit {
		page.Entries = entries[:limit]
		page.Next = page.Entries[limit-1].Seq
	}
	return page, nil
}

func (s *Store) auditOf(q keystore.AuditQuery, limit int) ([]keystore.AuditEntry, error) {
	if !q.Key.IsZero() {
		return s.auditOfKey(q, limit)
	}
	before := "+inf"
	if q.Before > 0 {
		before = "(" + formatUint(q.Before)
	}
	m, err := s.conn.Do(s.conn.B().Zrevrangebyscore().Key(s.names.audit).Max(before).Min("-inf").Limit(0, int64(limit)).Build())
	if err != nil {
		return nil, err
	}
	members, err := m.AsStrSlice()
	if err != nil {
		return nil, err
	}
	var entries []keystore.AuditEntry
	for _, member := range members {
		e, _ := decodeAudit(member) // a damaged one is shown in its place
		entries = append(entries, e)
	}
	return entries, nil
}

// byKey is the member of names.auditByKey, of which the numbers sort.
func byKey(id apikey.ID, seq uint64) string { return fmt.Sprintf("%s:%020d", id, seq) }

func (s *Store) auditOfKey(q keystore.AuditQuery, limit int) ([]keystore.AuditEntry, error) {
	before := "(" + q.Key.String() + ";" // the character after the colon
	if q.Before > 0 {
		before = "(" + byKey(q.Key, q.Before)
	}
	m, err := s.conn.Do(s.conn.B().Zrevrangebylex().Key(s.names.auditByKey).Max(before).Min("["+q.Key.String()+":").
		Limit(0, int64(limit)).Build())
	if err != nil {
		return nil, err
	}
	members, err := m.AsStrSlice()
	if err != nil || len(members) == 0 {
		return nil, err
	}
	var seqs []uint64
	for _, member := range members {
		if seq, err := strconv.ParseUint(member[strings.IndexByte(member, ':')+1:], 10, 64); err == nil {
			seqs = append(seqs, seq)
		}
	}
	entries, err := s.entriesAt(seqs)
	for i := range entries {
		entries[i].Key = q.Key
	}
	return entries, err
}
