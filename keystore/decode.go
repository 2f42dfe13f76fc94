package keystore

import (
	"bytes"
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/socialpatra/keygate/apikey"
)

// decodeKey reads the record stored under id. The result shares no memory with
// value. It accepts only what encodeKey writes. An error names the key and wraps
// ErrDamaged or ErrNewer.
func decodeKey(id apikey.ID, value []byte) (apikey.Key, error) {
	k := apikey.Key{Scopes: []string{}, AllowedOrigins: []string{}, AllowedIPs: []string{}}
	if err := decodeKeyInto(&k, id, value, func(v []byte) string { return string(v) }); err != nil {
		return apikey.Key{}, err
	}
	return k, nil
}

// decodeKeyInto is decodeKey for those who read many keys: it reuses the lists of k,
// and text makes the strings.
func decodeKeyInto(k *apikey.Key, id apikey.ID, value []byte, text func([]byte) string) error {
	*k = apikey.Key{ID: id, Scopes: k.Scopes[:0], AllowedOrigins: k.AllowedOrigins[:0], AllowedIPs: k.AllowedIPs[:0]}
	fields, err := unseal(bucketKeys, id[:], value)
	if err == nil {
		err = decodeKeyFields(k, fields, text)
	}
	if err != nil {
		return fmt.Errorf("the record of key %s: %w", id, err)
	}
	return nil
}

func decodeKeyFields(k *apikey.Key, fields []byte, text func([]byte) string) error {
	setVarint := func(field protowire.Number, v uint64) bool { return setKeyVarint(k, field, v) }
	setBytes := func(field protowire.Number, v []byte) bool { return setKeyBytes(k, field, v, text) }
	if err := eachField(fields, setVarint, setBytes); err != nil {
		return err
	}
	// Comparing finds fields that are out of order, repeated, too long or
	// missing.
	var buf [512]byte
	if !bytes.Equal(appendKey(buf[:0], k), fields) {
		return fmt.Errorf("%w: its fields are not as a store writes them", ErrDamaged)
	}
	return nil
}

// eachField calls setVarint or setBytes for every field. If they return false,
// only a newer Keygate knows the field.
func eachField(fields []byte, setVarint func(protowire.Number, uint64) bool, setBytes func(protowire.Number, []byte) bool) error {
	for len(fields) > 0 {
		field, kind, n := protowire.ConsumeTag(fields)
		if n < 0 {
			return fmt.Errorf("%w: %w", ErrDamaged, protowire.ParseError(n))
		}
		fields = fields[n:]
		known := false
		switch kind {
		case protowire.VarintType:
			var v uint64
			if v, n = protowire.ConsumeVarint(fields); n >= 0 {
				known = setVarint(field, v)
			}
		case protowire.BytesType:
			var v []byte
			if v, n = protowire.ConsumeBytes(fields); n >= 0 {
				known = setBytes(field, v)
			}
		default:
			n = protowire.ConsumeFieldValue(field, kind, fields)
		}
		switch {
		case n < 0:
			return fmt.Errorf("%w: %w", ErrDamaged, protowire.ParseError(n))
		case !known:
			return fmt.Errorf("%w (field %d of type %d is not known to this one)", ErrNewer, field, kind)
		}
		fields = fields[n:]
	}
	return nil
}

func setKeyVarint(k *apikey.Key, field protowire.Number, v uint64) bool {
	switch field {
	case fieldHashAlgorithm:
		return v == hashSHA256
	case fieldPerMinute:
		k.Limits.PerMinute = uint32(v)
	case fieldPerDay:
		k.Limits.PerDay = uint32(v)
	case fieldBurst:
		k.Limits.Burst = uint32(v)
	case fieldCreatedAt:
		k.CreatedAt = decodeTime(v)
	case fieldExpiresAt:
		k.ExpiresAt = decodeTime(v)
	case fieldRevokedAt:
		k.RevokedAt = decodeTime(v)
	case fieldDisabled:
		k.Disabled = v != 0
	case fieldOpaque:
		k.Opaque = v != 0
	case fieldWarned:
		k.Warned = uint8(v)
	default:
		return false
	}
	return true
}

func setKeyBytes(k *apikey.Key, field protowire.Number, v []byte, text func([]byte) string) bool {
	switch field {
	case fieldHash:
		copy(k.Hash[:], v)
	case fieldPrefix:
		k.Prefix = text(v)
	case fieldWorkspace:
		k.Workspace = text(v)
	case fieldName:
		k.Name = text(v)
	case fieldDescription:
		k.Description = text(v)
	case fieldScopes:
		k.Scopes = append(k.Scopes, text(v))
	case fieldAllowedOrigins:
		k.AllowedOrigins = append(k.AllowedOrigins, text(v))
	case fieldAllowedIPs:
		k.AllowedIPs = append(k.AllowedIPs, text(v))
	case fieldCreatedBy:
		k.CreatedBy = text(v)
	case fieldRotatedFrom:
		copy(k.RotatedFrom[:], v)
	case fieldReplacedBy:
		copy(k.ReplacedBy[:], v)
	case fieldAccount:
		copy(k.Account[:], v)
	default:
		return false
	}
	return true
}

func decodeTime(v uint64) time.Time {
	return time.Unix(protowire.DecodeZigZag(v), 0).UTC()
}
