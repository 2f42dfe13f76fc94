package keystore

import (
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/socialpatra/keygate/apikey"
)

// The fields of a key record, in the order in which they are written. A field
// with its zero value is left out. Lists are repeated fields. Times are zigzag
// varints in Unix seconds, left out if they mean never.
//
// Numbers are never reused. A reader that does not know a field refuses the
// record, because that field might be the one that forbids the request.
const (
	fieldHashAlgorithm  protowire.Number = 1  // varint
	fieldHash           protowire.Number = 2  // bytes
	fieldPrefix         protowire.Number = 3  // string
	fieldWorkspace      protowire.Number = 4  // string
	fieldName           protowire.Number = 5  // string
	fieldDescription    protowire.Number = 6  // string
	fieldScopes         protowire.Number = 7  // strings
	fieldPerMinute      protowire.Number = 8  // varint
	fieldPerDay         protowire.Number = 9  // varint
	fieldBurst          protowire.Number = 10 // varint
	fieldAllowedOrigins protowire.Number = 11 // strings
	fieldAllowedIPs     protowire.Number = 12 // strings
	fieldCreatedAt      protowire.Number = 13 // time
	fieldExpiresAt      protowire.Number = 14 // time
	fieldRevokedAt      protowire.Number = 15 // time
	fieldDisabled       protowire.Number = 16 // varint, 1
	fieldRotatedFrom    protowire.Number = 17 // bytes, an ID
	fieldReplacedBy     protowire.Number = 18 // bytes, an ID
	fieldOpaque         protowire.Number = 19 // varint, 1
	fieldCreatedBy      protowire.Number = 20 // string; since schema 3
	fieldAccount        protowire.Number = 21 // bytes, an ID; since schema 4
	fieldWarned         protowire.Number = 22 // varint, days; since schema 5

	lastKeyField = fieldWarned // a record with a later one is of a newer version
)

// hashSHA256 is the only hash algorithm so far.
const hashSHA256 = 1

// encodeKey returns the record of a key, to be stored under its ID. It drops
// fractions of seconds.
func encodeKey(k *apikey.Key) []byte {
	return seal(bucketKeys, k.ID[:], appendKey(newSealed(320), k))
}

func appendKey(b []byte, k *apikey.Key) []byte {
	b = appendVarint(b, fieldHashAlgorithm, hashSHA256)
	b = protowire.AppendTag(b, fieldHash, protowire.BytesType)
	b = protowire.AppendBytes(b, k.Hash[:])
	b = appendString(b, fieldPrefix, k.Prefix)
	b = appendString(b, fieldWorkspace, k.Workspace)
	b = appendString(b, fieldName, k.Name)
	b = appendString(b, fieldDescription, k.Description)
	b = appendStrings(b, fieldScopes, k.Scopes)
	b = appendVarint(b, fieldPerMinute, uint64(k.Limits.PerMinute))
	b = appendVarint(b, fieldPerDay, uint64(k.Limits.PerDay))
	b = appendVarint(b, fieldBurst, uint64(k.Limits.Burst))
	b = appendStrings(b, fieldAllowedOrigins, k.AllowedOrigins)
	b = appendStrings(b, fieldAllowedIPs, k.AllowedIPs)
	b = appendTime(b, fieldCreatedAt, k.CreatedAt)
	b = appendTime(b, fieldExpiresAt, k.ExpiresAt)
	b = appendTime(b, fieldRevokedAt, k.RevokedAt)
	if k.Disabled {
		b = appendVarint(b, fieldDisabled, 1)
	}
	b = appendString(b, fieldRotatedFrom, k.RotatedFrom.String())
	b = appendString(b, fieldReplacedBy, k.ReplacedBy.String())
	if k.Opaque {
		b = appendVarint(b, fieldOpaque, 1)
	}
	b = appendString(b, fieldCreatedBy, k.CreatedBy)
	b = appendString(b, fieldAccount, k.Account.String())
	return appendVarint(b, fieldWarned, uint64(k.Warned))
}

func appendVarint(b []byte, field protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), v)
}

func appendString(b []byte, field protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}

func appendStrings(b []byte, field protowire.Number, list []string) []byte {
	for _, s := range list {
		b = protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
	}
	return b
}

func appendTime(b []byte, field protowire.Number, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), protowire.EncodeZigZag(t.Unix()))
}
