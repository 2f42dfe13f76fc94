package redisstore

import (
	"errors"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/keystore"
)

// List implements [keystore.Store]. Records that do not verify are left out. In
// the order of IDs it reads until a page is full. In another order it reads every
// key, or every one of the workspace. A query for revoked or disabled keys,
// without a workspace, reads no other keys.
func (s *Store) List(q keystore.Query) (keystore.Page, error) {
	pager, err := keystore.NewPager(q)
	if err != nil {
		return keystore.Page{}, err
	}
	after, some := q.After, keystore.PageSize(q.Limit)+1
	if q.Sort != keystore.SortID {
		after, some = apikey.ID{}, pageLen
	}
	withUse := pager.NeedsUse()
	err = s.eachRecord(q.Workspace, q.Status, after, some, withUse, func(id apikey.ID, record []byte, last string) bool {
		at, err := lastUsed(last) // one damaged record must not hide all keys; Check tells of it
		return pager.Add(id, record, keystore.LastUse{At: at, Damaged: err != nil})
	})
	if err != nil {
		return keystore.Page{}, err
	}
	page := pager.Page()
	if !withUse {
		err = s.addUse(&page)
	}
	return page, err
}

// addUse fills in when the keys of a page were last used.
func (s *Store) addUse(page *keystore.Page) error {
	var cmds []rueidis.Completed
	for i := range page.Keys {
		cmds = append(cmds, s.lastUseOf(page.Keys[i].ID))
	}
	for i, reply := range s.conn.DoMulti(cmds...) {
		last, err := text(reply)
		if err != nil && !errors.Is(err, redis.ErrForeign) {
			return err
		}
		if err == nil {
			page.LastUsed[i], err = lastUsed(last)
		}
		if err != nil {
			page.Damaged = append(page.Damaged, page.Keys[i].ID)
		}
	}
	return nil
}

func (s *Store) lastUseOf(id apikey.ID) rueidis.Completed {
	return s.conn.B().Hget().Key(s.names.useOf(id)).Field("last").Build()
}

// eachRecord yields, in the order of IDs, the records of keys that the index
// has for a workspace and a status, both "" for any, and, if asked for, the text
// of when each was last used. It reads so many at a time.
func (s *Store) eachRecord(workspace string, status apikey.Status, after apikey.ID, some int, withUse bool, yield func(id apikey.ID, record []byte, last string) bool) error {
	some = min(some, pageLen)
	for {
		ids, more, err := s.idsAfter(workspace, status, after, some)
		if err != nil || len(ids) == 0 {
			return err
		}
		var cmds []rueidis.Completed
		for _, id := range ids {
			cmds = append(cmds, s.conn.B().Get().Key(s.names.recordOf(id)).Build())
			if withUse {
				cmds = append(cmds, s.lastUseOf(id))
			}
		}
		replies := s.conn.DoMulti(cmds...)
		each := len(replies) / len(ids)
		for i, id := range ids {
			record, err := text(replies[each*i])
			if errors.Is(err, redis.ErrForeign) { // as one that does not verify
				continue
			}
			if err != nil {
				return err
			}
			last := ""
			if withUse {
				if last, err = text(replies[each*i+1]); errors.Is(err, redis.ErrForeign) {
					last = unreadable
				} else if err != nil {
					return err
				}
			}
			if record != "" && !yield(id, []byte(record), last) {
				return nil
			}
		}
		if !more {
			return nil
		}
		after = ids[len(ids)-1]
	}
}

// unreadable is the text of a last use that another program has replaced. It is
// no time.
const unreadable = "unreadable"

// idsAfter returns the next IDs that the index has, and whether there may be more.
func (s *Store) idsAfter(workspace string, status apikey.Status, after apikey.ID, some int) (ids []apikey.ID, more bool, err error) {
	if err := s.open(); err != nil {
		return nil, false, err
	}
	name, prefix, from, to := s.names.ids, "", "-", "+"
	switch {
	case workspace != "":
		name, prefix = s.names.workspaces, inWorkspace(workspace, "")
		from, to = "["+prefix, "("+workspace+"\x01"
	case status == apikey.Revoked:
		name = s.names.revoked
	case status == apikey.Disabled:
		name = s.names.disabled
	}
	if !after.IsZero() {
		from = "(" + prefix + after.String()
	}
	m, err := s.conn.Do(s.conn.B().Zrangebylex().Key(name).Min(from).Max(to).Limit(0, int64(some)).Build())
	if err != nil {
		return nil, false, err
	}
	members, err := m.AsStrSlice()
	if err != nil {
		return nil, false, err
	}
	for _, member := range members {
		if id, err := apikey.ParseID(strings.TrimPrefix(member, prefix)); err == nil {
			ids = append(ids, id)
		}
	}
	return ids, len(members) == some, nil
}

// HeldScopes implements [keystore.Store]. It reads every key of the workspace.
func (s *Store) HeldScopes(workspace string, most int) ([]keystore.HeldScope, error) {
	index := keystore.NewIndex()
	err := s.eachRecord(workspace, "", apikey.ID{}, pageLen, false, func(id apikey.ID, record []byte, _ string) bool {
		if k, err := keystore.DecodeKey(id, record); err == nil && (workspace == "" || k.Workspace == workspace) {
			if g, err := k.Grant(); err == nil {
				index.Put(id, g, false)
			}
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	return index.HeldScopes(most), nil
}

// Counts implements [keystore.Store]. It asks the index, and returns nothing
// where the engine does not answer.
func (s *Store) Counts(now time.Time) map[apikey.Status]int {
	if s.closed.Load() {
		return nil
	}
	b, n := s.conn.B(), &s.names
	seconds := now.Unix()
	var counts [4]int
	for i, reply := range s.conn.DoMulti(
		b.Zcard().Key(n.ids).Build(), b.Zcard().Key(n.disabled).Build(), b.Zcard().Key(n.revoked).Build(),
		b.Zcount().Key(n.expires).Min("-inf").Max(formatInt(seconds)).Build()) {
		count, err := integer(reply)
		if err != nil {
			return nil
		}
		counts[i] = int(count)
	}
	return map[apikey.Status]int{
		apikey.Active:   max(0, counts[0]-counts[1]-counts[2]-counts[3]),
		apikey.Disabled: counts[1], apikey.Revoked: counts[2], apikey.Expired: counts[3],
	}
}
