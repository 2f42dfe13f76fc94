package redisstore

import (
	"errors"
	"fmt"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/keystore"
)

// placePage is how many entries one step places: less than a millisecond or two of
// the engine's time.
const placePage = 200

// errUnplaced is why the trail of a workspace is not told for a while.
var errUnplaced = fmt.Errorf("%w: the trails of workspaces are being made from that of an older Keygate; ask again in a moment", redis.ErrUnavailable)

// placeTrail gives the entries of an older gateway their places in the trails of
// their workspaces, oldest first. Several gateways may do so at once. It gives up at
// the deadline, unless that is zero.
func (s *Store) placeTrail(deadline time.Time) error {
	p := placer{s: s, lives: make(map[apikey.ID]string)}
	for {
		if done, err := p.page(); done || err != nil {
			return err
		}
		if s.isClosing() {
			return errClosing
		}
		if !deadline.IsZero() && time.Now().After(deadline) {
			return errUnplaced
		}
	}
}

// placer places entries in their order.
type placer struct {
	s *Store

	// lives has the workspace of each key whose life has begun before the entries that
	// are read, which come after the one with the number last.
	lives map[apikey.ID]string
	last  string
}

// page places the next entries. It reports whether there are no more.
func (p *placer) page() (done bool, err error) {
	s, n := p.s, &p.s.names
	replies := s.conn.DoMulti(s.conn.B().Hmget().Key(n.meta).Field("placed", "seq").Build())
	if replies[0].Err != nil {
		return false, replies[0].Err
	}
	meta, err := replies[0].ToArray()
	if err != nil || len(meta) != 2 {
		return false, fmt.Errorf("%w: the numbers of the audit trail cannot be read", keystore.ErrDamaged)
	}
	placed, _ := text(redis.Reply{RedisMessage: meta[0]})
	seq, _ := text(redis.Reply{RedisMessage: meta[1]})
	if placed == "" {
		placed = "0"
	}
	if placed == seq || seq == "" {
		return true, nil
	}
	if placed != p.last { // another gateway has placed some, among which lives may have ended
		clear(p.lives)
	}
	m, err := s.conn.Do(s.conn.B().Zrangebyscore().Key(n.audit).Min("("+placed).Max("+inf").Withscores().Limit(0, placePage).Build())
	if err != nil {
		return false, err
	}
	members, err := m.AsZScores()
	if err != nil {
		return false, err
	}
	args := []string{placed, seq}
	for _, member := range members {
		e, _ := decodeAudit(member.Member)
		e.Seq = uint64(member.Score) // also of one that cannot be read
		workspace, err := p.workspaceOf(&e)
		if err != nil {
			return false, err
		}
		args = append(args, formatUint(e.Seq), workspace)
	}
	if len(members) > 0 {
		args[1] = args[len(args)-2]
	}
	p.last = args[1]
	_, err = s.conn.Run(placeScript, []string{n.meta, n.audit, n.auditByWs, n.places}, args)
	return false, changeError(err)
}

// workspaceOf returns the workspace of the next entry, "" if nothing tells it.
func (p *placer) workspaceOf(e *keystore.AuditEntry) (string, error) {
	if e.Key.IsZero() {
		return e.Workspace, nil // also that of an entry that cannot be read
	}
	if c, ok := e.Changes["workspace"]; ok {
		if to, _ := c.To.(string); to != "" {
			p.lives[e.Key] = to
		}
	}
	workspace, known := p.lives[e.Key]
	if !known {
		var err error
		if workspace, err = p.ask(e); err != nil {
			return "", err
		}
		p.lives[e.Key] = workspace
	}
	if e.Action == "delete" {
		delete(p.lives, e.Key)
	}
	return workspace, nil
}

// ask finds the workspace of an entry from all that there is of its key: the entry
// that made it is pruned.
func (p *placer) ask(e *keystore.AuditEntry) (string, error) {
	s := p.s
	var seqs []uint64
	for before := uint64(1<<64 - 1); ; before = seqs[len(seqs)-1] {
		some, err := s.keyMembers(e.Key, before, pageLen)
		if err != nil {
			return "", err
		}
		seqs = append(seqs, some...)
		if len(some) < pageLen || some[len(some)-1] <= e.Seq {
			break
		}
	}
	entries, err := s.entriesAt(seqs)
	if err != nil {
		return "", err
	}
	record, err := s.raw(e.Key)
	if err != nil && !errors.Is(err, redis.ErrForeign) {
		return "", err
	}
	k, wrong := keystore.DecodeKey(e.Key, record)
	if record != nil && wrong != nil || err != nil {
		if k.Workspace, err = s.workspaceOf(e.Key); err != nil {
			return "", err
		}
	}
	for i, j := 0, len(entries)-1; i < j; i, j = i+1, j-1 {
		entries[i], entries[j], seqs[i], seqs[j] = entries[j], entries[i], seqs[j], seqs[i]
	}
	for i, workspace := range keystore.KeyWorkspaces(entries, k.Workspace) {
		if seqs[i] == e.Seq {
			return workspace, nil
		}
	}
	return k.Workspace, nil
}
