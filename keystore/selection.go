package keystore

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

	"github.com/socialpatra/keygate/apikey"
)

// selection decides for one query which keys are on its page, and where. It is not
// safe for concurrent use.
type selection struct {
	q     Query
	name  []byte // q.Name, folded
	after place
	begun int64 // when the walk began, Unix seconds; only in SortLastUsed

	folded []byte    // scratch
	id     apikey.ID // scratch, so that its address needs no memory for every key
}

// LastUse is when a key was last used. The zero LastUse means never.
type LastUse struct {
	At      time.Time
	Damaged bool // it was used, but nobody can tell when
}

// facts are what filters and orders need of a key. Texts may be in the memory of a
// transaction.
type facts struct {
	key                                apikey.Key // only ID, times and Disabled
	workspace, name, prefix, createdBy []byte
	holds                              bool // the scope that the query asks for
}

// newSelection prepares a query. The error is that of [Query.Check].
func newSelection(q Query) (*selection, error) {
	if q.Sort != SortID && !slices.Contains(Sorts(), q.Sort) {
		return nil, fmt.Errorf("the order %q is not known", q.Sort)
	}
	s := &selection{q: q, name: appendFold(nil, []byte(q.Name)), begun: q.Now.Unix()}
	return s, s.readAfter()
}

// selects reports whether all filters let a key pass.
func (s *selection) selects(f *facts, used LastUse) bool {
	q, k := &s.q, &f.key
	live := k.RevokedAt.IsZero() && (k.ExpiresAt.IsZero() || q.Now.Before(k.ExpiresAt))
	switch {
	case q.Workspace != "" && string(f.workspace) != q.Workspace,
		q.Status != "" && k.Status(q.Now) != q.Status,
		q.Scope != "" && !f.holds,
		q.CreatedBy != "" && string(f.createdBy) != q.CreatedBy,
		q.NoExpiry && !k.ExpiresAt.IsZero(),
		q.Expiring != 0 && (!live || k.ExpiresAt.IsZero() || k.ExpiresAt.After(q.Now.Add(q.Expiring))),
		q.Idle != 0 && (!live || !s.idle(k, used)),
		q.NeverUsed && used != LastUse{}:
		return false
	}
	return q.Name == "" || s.named(f)
}

// idle reports whether a key has not been used for q.Idle. A key whose last use cannot
// be read is not idle: it may still be needed.
func (s *selection) idle(k *apikey.Key, used LastUse) bool {
	since := used.At
	if since.IsZero() {
		since = k.CreatedAt
	}
	return !used.Damaged && !since.After(s.q.Now.Add(-s.q.Idle))
}

func (s *selection) named(f *facts) bool {
	s.folded = appendFold(s.folded[:0], f.name)
	begins := func(text []byte) bool { return len(text) >= len(s.q.Name) && string(text[:len(s.q.Name)]) == s.q.Name }
	return bytes.Contains(s.folded, s.name) || begins(f.key.ID[:]) ||
		begins(f.prefix) && len(s.q.Name) > len(f.prefix)-apikey.IDLen
}

// place is where a key is in an order.
type place struct {
	at   int64  // Unix seconds, or one of never and eternal
	name []byte // folded
	id   apikey.ID
}

const (
	never   = math.MinInt64 // used
	eternal = math.MaxInt64 // expires
)

func (p *place) compare(other *place) int {
	return cmp.Or(cmp.Compare(p.at, other.at), bytes.Compare(p.name, other.name), bytes.Compare(p.id[:], other.id[:]))
}

// placeOf returns the place of a key. Its name is valid until the next call.
func (s *selection) placeOf(f *facts, used LastUse) place {
	p := place{id: f.key.ID}
	switch s.q.Sort {
	case SortID:
	case SortName:
		s.folded = appendFold(s.folded[:0], f.name)
		p.name = s.folded
	case SortCreated:
		p.at = f.key.CreatedAt.Unix()
	case SortExpires:
		p.at = eternal
		if !f.key.ExpiresAt.IsZero() {
			p.at = f.key.ExpiresAt.Unix()
		}
	case SortLastUsed:
		p.at = never
		if !used.At.IsZero() {
			p.at = min(used.At.Unix(), s.begun)
		}
	}
	return p
}

// follows reports whether a place is behind the key at which the page before
// ended.
func (s *selection) follows(p *place) bool { return s.q.After.IsZero() || p.compare(&s.after) > 0 }

var errNoValue = errors.New("the query begins after a value that its order does not have")

// value writes a place as [Page.NextValue].
func (s *selection) value(p *place) string {
	at := ""
	if p.at != never && p.at != eternal {
		at = strconv.FormatInt(p.at, 10)
	}
	switch s.q.Sort {
	case SortID:
		return ""
	case SortName:
		return string(p.name)
	case SortLastUsed:
		return at + " " + strconv.FormatInt(s.begun, 10)
	default:
		return at
	}
}

// readAfter is the inverse of value.
func (s *selection) readAfter() error {
	q := &s.q
	s.after.id = q.After
	value := q.AfterValue
	if q.After.IsZero() || q.Sort == SortID {
		if value != "" {
			return errNoValue
		}
		return nil
	}
	switch q.Sort {
	case SortName:
		s.after.name = []byte(value)
		if !slices.Equal(appendFold(nil, s.after.name), s.after.name) {
			return errNoValue
		}
		return nil
	case SortID, SortCreated:
	case SortExpires:
		s.after.at = eternal
	case SortLastUsed:
		s.after.at = never
		var begun string
		value, begun, _ = strings.Cut(value, " ")
		if !readSeconds(begun, &s.begun) {
			return errNoValue
		}
	}
	if value == "" && s.after.at != 0 { // the key never expires, or was never used
		return nil
	}
	if !readSeconds(value, &s.after.at) || q.Sort == SortLastUsed && s.after.at > s.begun {
		return errNoValue
	}
	return nil
}

// readSeconds reads Unix seconds as value writes them.
func readSeconds(text string, seconds *int64) bool {
	n, err := strconv.ParseInt(text, 10, 64)
	*seconds = n
	return err == nil && strconv.FormatInt(n, 10) == text && n != never && n != eternal
}
