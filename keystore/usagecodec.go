package keystore

import (
	"encoding/binary"
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/socialpatra/keygate/apikey"
)

// The fields of a usage record, all of them varints. A zero is left out.
const (
	fieldCharged  protowire.Number = 1
	fieldAllowed  protowire.Number = 2
	fieldLimited  protowire.Number = 3
	fieldDenied   protowire.Number = 4
	fieldLastUsed protowire.Number = 5 // zigzag, Unix seconds
)

const (
	dayLen      = 4
	usageKeyLen = dayLen + apikey.IDLen
)

// usageKey is the day and then the ID. So the records of a day lie together, and
// old days can be cut off. Flipping the sign bit makes days sort as numbers.
func usageKey(day apikey.Day, id apikey.ID) []byte {
	return append(appendDay(make([]byte, 0, usageKeyLen), day), id[:]...)
}

// splitUsageKey reverses usageKey. It returns false for what is not such a key.
func splitUsageKey(key []byte) (day apikey.Day, id apikey.ID, ok bool) {
	if len(key) != usageKeyLen {
		return 0, id, false
	}
	copy(id[:], key[dayLen:])
	return apikey.Day(binary.BigEndian.Uint32(key) ^ 1<<31), id, true
}

func encodeUsage(key []byte, u *apikey.Usage) []byte {
	return seal(bucketUsage, key, appendUsage(newSealed(32), u))
}

func appendUsage(b []byte, u *apikey.Usage) []byte {
	b = appendVarint(b, fieldCharged, u.Charged)
	b = appendVarint(b, fieldAllowed, u.Allowed)
	b = appendVarint(b, fieldLimited, u.Limited)
	b = appendVarint(b, fieldDenied, u.Denied)
	return appendVarint(b, fieldLastUsed, protowire.EncodeZigZag(u.LastUsed))
}

func decodeUsage(key, value []byte) (apikey.Usage, error) {
	var u apikey.Usage
	var ok bool
	if u.Day, u.ID, ok = splitUsageKey(key); !ok {
		return u, fmt.Errorf("%w: the use of a key is stored under a name of %d bytes", ErrDamaged, len(key))
	}
	fields, err := unseal(bucketUsage, key, value)
	if err == nil {
		err = decodeUsageFields(fields, &u)
	}
	if err != nil {
		return apikey.Usage{}, fmt.Errorf("the use of key %s on %s: %w", u.ID, u.Day, err)
	}
	return u, nil
}

func decodeUsageFields(fields []byte, u *apikey.Usage) error {
	return eachField(fields, func(field protowire.Number, v uint64) bool {
		switch field {
		case fieldCharged:
			u.Charged = v
		case fieldAllowed:
			u.Allowed = v
		case fieldLimited:
			u.Limited = v
		case fieldDenied:
			u.Denied = v
		case fieldLastUsed:
			u.LastUsed = protowire.DecodeZigZag(v)
		default:
			return false
		}
		return true
	}, func(protowire.Number, []byte) bool { return false })
}

// encodeLastUsed writes Unix seconds as one varint without a field number.
func encodeLastUsed(id apikey.ID, seconds int64) []byte {
	return seal(bucketLastUsed, id[:], protowire.AppendVarint(newSealed(10), protowire.EncodeZigZag(seconds)))
}

func decodeLastUsed(id apikey.ID, value []byte) (time.Time, error) {
	fields, err := unseal(bucketLastUsed, id[:], value)
	if err == nil {
		v, n := protowire.ConsumeVarint(fields)
		if n == len(fields) {
			return decodeTime(v), nil
		}
		err = fmt.Errorf("%w: it is not a time", ErrDamaged)
	}
	return time.Time{}, fmt.Errorf("the last use of key %s: %w", id, err)
}
