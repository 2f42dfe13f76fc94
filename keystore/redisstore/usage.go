package redisstore

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/keystore"
)

// The use of a key is a hash. The field of a day has five numbers: charged,
// allowed, limited, denied, last used. The field "last" is when the key was last
// used on any day, in Unix seconds.

func formatInt(n int64) string { return strconv.FormatInt(n, 10) }

func formatDay(day apikey.Day) string { return formatInt(int64(day)) }

func formatUint(n uint64) string { return strconv.FormatUint(n, 10) }

// SaveUsage implements [keystore.Store]. Where it fails, some totals may be
// stored; as totals never shrink, saving all of them again completes them.
func (s *Store) SaveUsage(keys []apikey.Usage, workspaces []apikey.WorkspaceUsage) error {
	_, err := s.use("max", keys, workspaces)
	return err
}

// AddUsage adds to what keys have done, which several gateways may do at once.
// Counts are what is added, LastUsed is as in SaveUsage. Use of keys that do not
// exist is dropped. Counts are exact up to 2^53.
//
// After an error, added holds what is to be added again. Counts that were written, or
// may have been, are gone from it: counting a request twice is worse than missing one.
// What was seen besides stays, because writing it twice changes nothing.
func (s *Store) AddUsage(added []apikey.Usage) error {
	written, err := s.use("add", added, nil)
	if err == nil {
		return nil
	}
	for i, u := range added {
		if _, gone := slices.BinarySearchFunc(written, u.ID, compareIDs); gone {
			added[i] = apikey.Usage{ID: u.ID, Day: u.Day, Seen: u.Seen}
		}
	}
	return err
}

func compareIDs(x, y apikey.ID) int { return bytes.Compare(x[:], y[:]) }

// use returns the keys whose use was written, or may have been, in the order of their
// IDs. It first notes which keys have use, because readers such as UsageSince look only
// at the use of keys that are noted.
func (s *Store) use(how string, keys []apikey.Usage, workspaces []apikey.WorkspaceUsage) (written []apikey.ID, err error) {
	if err := s.open(); err != nil || len(keys)+len(workspaces) == 0 {
		return nil, err
	}
	byID := slices.Clone(keys)
	slices.SortStableFunc(byID, func(x, y apikey.Usage) int { return compareIDs(x.ID, y.ID) })
	var calls []useCall
	for len(byID) > 0 {
		n := 1
		for n < len(byID) && byID[n].ID == byID[0].ID {
			n++
		}
		calls = append(calls, s.useCall(how, byID[:n]))
		byID = byID[n:]
	}
	if err := s.noteUse(calls, workspaces); err != nil {
		return nil, fmt.Errorf("%w: %w", keystore.ErrNotWritten, err) // to note it twice does no harm
	}
	var failed error
	for page := range slices.Chunk(calls, pageLen) {
		alive := false
		for i, err := range s.runUse(page) {
			alive = alive || err == nil
			if err == nil || errors.Is(err, redis.ErrUncertain) {
				written = append(written, page[i].id)
			}
			if failed == nil || errors.Is(err, redis.ErrUncertain) {
				failed = err
			}
		}
		if !alive {
			break // rather than wait for each page
		}
	}
	if failed != nil && len(written) > 0 {
		return written, fmt.Errorf("%w: %w", keystore.ErrUnknownOutcome, failed)
	}
	return written, changeError(failed)
}

// noteUse notes which keys have use, and what workspaces were charged.
func (s *Store) noteUse(calls []useCall, workspaces []apikey.WorkspaceUsage) error {
	for {
		some := calls[:min(len(calls), pageLen)]
		args := []string{strconv.Itoa(len(some))}
		for i := range some {
			args = append(args, some[i].last, some[i].id.String())
		}
		for _, w := range workspaces {
			args = append(args, formatInt(int64(w.Day))+" "+w.Workspace, formatUint(w.Charged))
		}
		n := &s.names
		if _, err := s.conn.Run(usedScript, []string{n.meta, n.ids, n.used, n.charged}, args); err != nil {
			return err
		}
		calls, workspaces = calls[len(some):], nil
		if len(calls) == 0 {
			return nil
		}
	}
}

// useCall is one run of useScript.
type useCall struct {
	id   apikey.ID
	last string // day
	args []string
}

func (s *Store) useCall(how string, days []apikey.Usage) useCall {
	call := useCall{id: days[0].ID, args: []string{how, ""}}
	last, counts := days[0].Day, 0
	for _, u := range days {
		last = max(last, u.Day)
		if u.Seen != nil && !u.Counts() {
			continue
		}
		counts++
		call.args = append(call.args, formatInt(int64(u.Day)), formatUint(u.Charged), formatUint(u.Allowed),
			formatUint(u.Limited), formatUint(u.Denied), formatInt(u.LastUsed))
	}
	call.args[1] = strconv.Itoa(counts)
	call.args = appendSeen(call.args, days)
	call.last = formatInt(int64(last))
	return call
}

// runUse returns the error of each call. Use of a foreign type is lost for its key
// alone, which is no error: Check tells of it.
func (s *Store) runUse(calls []useCall) []error {
	keys, args, failed := make([][]string, len(calls)), make([][]string, len(calls)), make([]error, len(calls))
	for i := range calls {
		keys[i], args[i] = []string{s.names.recordOf(calls[i].id), s.names.useOf(calls[i].id), s.names.seenOf(calls[i].id)}, calls[i].args
	}
	for i, reply := range s.conn.RunAll(useScript, keys, args) {
		if !errors.Is(reply.Err, redis.ErrForeign) {
			failed[i] = reply.Err
		}
	}
	return failed
}

// Usage implements [keystore.Store].
func (s *Store) Usage(id apikey.ID, from, to apikey.Day) ([]apikey.Usage, error) {
	if err := s.open(); err != nil {
		return nil, err
	}
	m, err := s.conn.Do(s.conn.B().Hgetall().Key(s.names.useOf(id)).Build())
	if err != nil {
		return nil, err
	}
	fields, err := m.AsStrMap()
	if err != nil {
		return nil, err
	}
	usage, _, err := decodeUse(id, fields)
	usage = slices.DeleteFunc(usage, func(u apikey.Usage) bool { return u.Day < from || u.Day > to })
	if err != nil || len(usage) == 0 {
		return nil, err
	}
	return usage, nil
}

// LastUsed implements [keystore.Store].
func (s *Store) LastUsed(id apikey.ID) (time.Time, error) {
	if err := s.open(); err != nil {
		return time.Time{}, err
	}
	reply := s.conn.DoMulti(s.conn.B().Hget().Key(s.names.useOf(id)).Field("last").Build())[0]
	last, err := text(reply)
	if err != nil {
		return time.Time{}, err
	}
	at, err := lastUsed(last)
	if err != nil {
		return time.Time{}, fmt.Errorf("the last use of key %s: %w", id, err)
	}
	return at, nil
}

func lastUsed(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("%w: it is not a time", keystore.ErrDamaged)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// decodeUse reads the use of a key, oldest day first. The error is about the
// days that it could not read, which are there as ones that exhaust any quota.
func decodeUse(id apikey.ID, fields map[string]string) (usage []apikey.Usage, last time.Time, err error) {
	for field, value := range fields {
		if field == "last" {
			var wrong error
			last, wrong = lastUsed(value)
			err = errors.Join(err, wrong)
			continue
		}
		day, wrong := strconv.ParseInt(field, 10, 32)
		if wrong != nil {
			err = errors.Join(err, fmt.Errorf("the use of key %s: %w: %q is no day", id, keystore.ErrDamaged, field))
			continue
		}
		u := apikey.Usage{ID: id, Day: apikey.Day(day)}
		if wrong := decodeDay(value, &u); wrong != nil {
			err = errors.Join(err, fmt.Errorf("the use of key %s on %s: %w", id, u.Day, wrong))
			u = apikey.Usage{ID: id, Day: u.Day, Charged: math.MaxUint32}
		}
		usage = append(usage, u)
	}
	slices.SortFunc(usage, func(x, y apikey.Usage) int { return cmp.Compare(x.Day, y.Day) })
	return usage, last, err
}

func decodeDay(value string, u *apikey.Usage) (err error) {
	numbers := strings.Fields(value)
	if len(numbers) != 5 {
		return fmt.Errorf("%w: it has %d numbers", keystore.ErrDamaged, len(numbers))
	}
	for i, n := range []*uint64{&u.Charged, &u.Allowed, &u.Limited, &u.Denied} {
		if *n, err = strconv.ParseUint(numbers[i], 10, 64); err != nil {
			return fmt.Errorf("%w: a count is no number", keystore.ErrDamaged)
		}
	}
	if u.LastUsed, err = strconv.ParseInt(numbers[4], 10, 64); err != nil {
		return fmt.Errorf("%w: its last use is not a time", keystore.ErrDamaged)
	}
	return nil
}

// UsageSince implements [keystore.Store]. The functions may call the store.
func (s *Store) UsageSince(day apikey.Day, key func(apikey.Usage), workspace func(apikey.WorkspaceUsage)) error {
	var damaged error
	err := s.eachUsed(day, func(id apikey.ID, fields map[string]string, wrong error) error {
		usage, _, err := decodeUse(id, fields)
		damaged = errors.Join(damaged, wrong, err)
		for _, u := range usage {
			if u.Day >= day {
				key(u)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	charged, wrong, err := s.charged()
	for _, u := range charged {
		if u.Day >= day {
			workspace(u)
		}
	}
	return errors.Join(err, damaged, wrong)
}

// eachUsed yields the use of keys that have some on a day or later.
//
// wrong is why that of one key cannot be read.
func (s *Store) eachUsed(day apikey.Day, yield func(id apikey.ID, fields map[string]string, wrong error) error) error {
	seen := make(map[apikey.ID]bool) // a scan may meet a key twice
	return s.scan(func(cursor uint64) rueidis.Completed {
		return s.conn.B().Zscan().Key(s.names.used).Cursor(cursor).Count(pageLen).Build()
	}, func(elements []string) error {
		var ids []apikey.ID
		var cmds []rueidis.Completed
		for i := 0; i+1 < len(elements); i += 2 { // ID, day
			id, err := apikey.ParseID(elements[i])
			last, wrong := strconv.ParseInt(elements[i+1], 10, 32)
			if err != nil || seen[id] || wrong == nil && apikey.Day(last) < day {
				continue
			}
			seen[id] = true
			ids = append(ids, id)
			cmds = append(cmds, s.conn.B().Hgetall().Key(s.names.useOf(id)).Build())
		}
		for i, reply := range s.conn.DoMulti(cmds...) {
			fields, wrong, err := useIn(ids[i], reply)
			if err == nil {
				err = yield(ids[i], fields, wrong)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// useIn is the use of a key in an answer; wrong says why it is not one.
func useIn(id apikey.ID, reply redis.Reply) (fields map[string]string, wrong, err error) {
	if errors.Is(reply.Err, redis.ErrForeign) {
		return nil, fmt.Errorf("the use of key %s: %w", id, reply.Err), nil
	}
	if reply.Err != nil {
		return nil, nil, reply.Err
	}
	fields, err = reply.AsStrMap()
	return fields, nil, err
}

// scan yields the elements of a set or hash, some at a time and some of them
// twice.
func (s *Store) scan(page func(cursor uint64) rueidis.Completed, yield func(elements []string) error) error {
	for cursor, more := uint64(0), true; more; {
		if err := s.open(); err != nil {
			return err
		}
		m, err := s.conn.Do(page(cursor))
		if err != nil {
			return err
		}
		found, err := m.AsScanEntry()
		if err == nil {
			err = yield(found.Elements)
		}
		if err != nil {
			return err
		}
		cursor, more = found.Cursor, found.Cursor != 0
	}
	return nil
}
