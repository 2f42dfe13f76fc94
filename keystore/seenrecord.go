package keystore

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/socialpatra/keygate/apikey"
)

// SeenRecord is what a store keeps of what was seen of the use of a key. The zero
// SeenRecord is that of a key that was not used since it was created here; it takes
// no room.
type SeenRecord struct {
	Since   apikey.Day // from when on it is watched, if not from its creation on; or 0
	Network apikey.Network
	Scopes  []apikey.ScopeUse // sorted; Since is 0 for a scope that the key had from the start
}

// NewSeenRecord returns the record of a key that comes to a store at a time, and
// whether it needs one: only if it was made on an earlier day.
func NewSeenRecord(k *apikey.Key, at time.Time) (r SeenRecord, needed bool) {
	if day := apikey.DayOf(at); day > apikey.DayOf(k.CreatedAt) {
		r.Since = day
	}
	return r, r.Since != 0
}

// ScopesChanged returns the scopes that a change gives to a key, and those that it
// takes away.
func ScopesChanged(old, k *apikey.Key) (added, removed []string) {
	return without(k.Scopes, old.Scopes), without(old.Scopes, k.Scopes)
}

func without(scopes, others []string) (rest []string) {
	for _, scope := range scopes {
		if !slices.Contains(others, scope) {
			rest = append(rest, scope)
		}
	}
	return rest
}

// Of returns what was seen of a key in a store that watches from a day on.
func (r *SeenRecord) Of(k *apikey.Key, watched apikey.Day) apikey.Seen {
	since := max(watched, r.Since, apikey.DayOf(k.CreatedAt))
	seen := apikey.Seen{
		Scopes:       make([]apikey.ScopeUse, 0, len(k.Scopes)),
		Network:      r.Network.Prefix(),
		NetworkSince: since,
	}
	for _, scope := range k.Scopes {
		use := apikey.ScopeUse{Scope: scope, Since: since}
		if i, ok := r.find(scope); ok {
			use.Since = max(since, r.Scopes[i].Since)
			if last := r.Scopes[i].Last; last >= use.Since {
				use.Last = last
			}
		}
		seen.Scopes = append(seen.Scopes, use)
	}
	slices.SortFunc(seen.Scopes, compareScopes)
	return seen
}

func compareScopes(x, y apikey.ScopeUse) int { return cmp.Compare(x.Scope, y.Scope) }

func (r *SeenRecord) find(scope string) (int, bool) {
	return slices.BinarySearchFunc(r.Scopes, scope, func(u apikey.ScopeUse, scope string) int { return cmp.Compare(u.Scope, scope) })
}

// use returns the entry of a scope, which it makes if need be.
func (r *SeenRecord) use(scope string) *apikey.ScopeUse {
	i, ok := r.find(scope)
	if !ok {
		r.Scopes = slices.Insert(r.Scopes, i, apikey.ScopeUse{Scope: scope})
	}
	return &r.Scopes[i]
}

// add adds what was seen on a day, and reports whether that is new. A day is never
// replaced by an earlier one. Scopes that the key holds no more do no harm: nobody is
// told of them, and given again they begin anew.
func (r *SeenRecord) add(s *apikey.Sighting, day apikey.Day) (changed bool) {
	for scope := range s.Names {
		if use := r.use(scope); use.Last == 0 || use.Last < day {
			use.Last, changed = day, true
		}
	}
	network := r.Network.With(s.Network)
	changed = changed || network != r.Network
	r.Network = network
	return changed
}

// rescope begins anew with scopes on a day, and forgets others. It reports whether
// that changes anything.
func (r *SeenRecord) rescope(added, removed []string, day apikey.Day) (changed bool) {
	for _, scope := range removed {
		if i, ok := r.find(scope); ok {
			r.Scopes, changed = slices.Delete(r.Scopes, i, i+1), true
		}
	}
	for _, scope := range added {
		*r.use(scope) = apikey.ScopeUse{Scope: scope, Since: day}
		changed = true
	}
	return changed
}

// The fields of a record. A day is zigzag, and left out if it is 0.
const (
	fieldSeenSince   protowire.Number = 1 // varint, a day
	fieldSeenNetwork protowire.Number = 2 // varint, see apikey.Network
	fieldSeenScope   protowire.Number = 3 // message, sorted by name

	fieldScopeName  protowire.Number = 1 // string
	fieldScopeSince protowire.Number = 2 // varint, a day
	fieldScopeLast  protowire.Number = 3 // varint, a day
)

func encodeSeen(name []byte, r *SeenRecord) []byte {
	b := appendDayField(newSealed(64), fieldSeenSince, r.Since)
	b = appendVarint(b, fieldSeenNetwork, uint64(r.Network))
	for _, use := range r.Scopes {
		scope := appendString(make([]byte, 0, 2*apikey.IDLen), fieldScopeName, use.Scope)
		scope = appendDayField(scope, fieldScopeSince, use.Since)
		scope = appendDayField(scope, fieldScopeLast, use.Last)
		b = protowire.AppendBytes(protowire.AppendTag(b, fieldSeenScope, protowire.BytesType), scope)
	}
	return seal(bucketSeen, name, b)
}

func appendDayField(b []byte, field protowire.Number, day apikey.Day) []byte {
	return appendVarint(b, field, protowire.EncodeZigZag(int64(day)))
}

func decodeSeen(name, value []byte) (r SeenRecord, err error) {
	if len(name) != apikey.IDLen {
		return r, fmt.Errorf("%w: what was seen of a key is stored under the name %s, which is no key ID", ErrDamaged, quoteName(name))
	}
	fields, err := unseal(bucketSeen, name, value)
	if err == nil {
		err = r.decode(fields)
	}
	if err != nil {
		return SeenRecord{}, fmt.Errorf("what was seen of key %s: %w", keyName(name), err)
	}
	return r, nil
}

func (r *SeenRecord) decode(fields []byte) error {
	var wrong error
	err := eachField(fields, func(field protowire.Number, v uint64) bool {
		switch field {
		case fieldSeenSince:
			wrong = cmp.Or(wrong, setDay(&r.Since, v))
		case fieldSeenNetwork:
			if r.Network = apikey.Network(v); !r.Network.Valid() && wrong == nil {
				wrong = fmt.Errorf("%w: its network is none", ErrDamaged)
			}
		default:
			return false
		}
		return true
	}, func(field protowire.Number, v []byte) bool {
		var use apikey.ScopeUse
		wrong = cmp.Or(wrong, decodeScopeUse(v, &use))
		if last := len(r.Scopes) - 1; wrong == nil && last >= 0 && r.Scopes[last].Scope >= use.Scope {
			wrong = fmt.Errorf("%w: its scopes are in no order", ErrDamaged)
		}
		r.Scopes = append(r.Scopes, use)
		return field == fieldSeenScope
	})
	return cmp.Or(err, wrong)
}

func decodeScopeUse(fields []byte, use *apikey.ScopeUse) error {
	var wrong error
	err := eachField(fields, func(field protowire.Number, v uint64) bool {
		switch field {
		case fieldScopeSince:
			wrong = cmp.Or(wrong, setDay(&use.Since, v))
		case fieldScopeLast:
			wrong = cmp.Or(wrong, setDay(&use.Last, v))
		default:
			return false
		}
		return true
	}, func(field protowire.Number, v []byte) bool {
		use.Scope = string(v)
		return field == fieldScopeName
	})
	if err == nil && wrong == nil && apikey.CheckScope(use.Scope) != nil {
		wrong = fmt.Errorf("%w: it is about %+q, which is no scope", ErrDamaged, use.Scope)
	}
	return cmp.Or(err, wrong)
}

func setDay(day *apikey.Day, v uint64) error {
	n := protowire.DecodeZigZag(v)
	if n < math.MinInt32 || n > math.MaxInt32 {
		return fmt.Errorf("%w: %d is no day", ErrDamaged, n)
	}
	*day = apikey.Day(n)
	return nil
}
