package keystore

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/socialpatra/keygate/apikey"
)

// The fields of a minute bucket. Its name is one of the two letters below,
// followed by the ID of a key or the name of a workspace.
const (
	fieldBucketTokens    protowire.Number = 1 // varint, the bits of a float64
	fieldBucketPerMinute protowire.Number = 2 // varint
	fieldBucketBurst     protowire.Number = 3 // varint
	fieldBucketAt        protowire.Number = 4 // zigzag, Unix nanoseconds
)

const (
	bucketOfKey       = 'k'
	bucketOfWorkspace = 'w'
)

// SaveBuckets implements [Store].
func (b *Bolt) SaveBuckets(buckets []apikey.Bucket) error {
	names := make(map[string]*apikey.Bucket, len(buckets))
	sorted := make([]string, 0, len(buckets))
	for i := range buckets {
		name := bucketName(&buckets[i])
		names[name] = &buckets[i]
		sorted = append(sorted, name)
	}
	slices.Sort(sorted)
	b.writing.Lock()
	defer b.writing.Unlock()
	return b.commit(func(tx *bolt.Tx) error {
		if err := tx.DeleteBucket(bucketMinutes); err != nil && !errors.Is(err, bolterrors.ErrBucketNotFound) {
			return err
		}
		saved, err := tx.CreateBucket(bucketMinutes)
		if err != nil {
			return err
		}
		for _, name := range sorted {
			if err := saved.Put([]byte(name), encodeBucket([]byte(name), names[name])); err != nil {
				return err
			}
		}
		return nil
	})
}

// Buckets implements [Store]. It yields everything it can read before it returns
// an error that wraps ErrDamaged.
func (b *Bolt) Buckets(yield func(apikey.Bucket)) error {
	var damaged error
	err := b.view(func(tx *bolt.Tx) error {
		saved := tx.Bucket(bucketMinutes)
		if saved == nil { // the store's schema is older than this bucket
			return nil
		}
		return saved.ForEach(func(name, value []byte) error {
			saved, err := decodeBucket(name, value)
			if err != nil {
				damaged = errors.Join(damaged, err)
				return nil
			}
			yield(saved)
			return nil
		})
	})
	return errors.Join(err, damaged)
}

func bucketName(b *apikey.Bucket) string {
	if b.Workspace != "" {
		return string(bucketOfWorkspace) + b.Workspace
	}
	return string(bucketOfKey) + string(b.ID[:])
}

func encodeBucket(name []byte, b *apikey.Bucket) []byte {
	v := newSealed(40)
	v = appendVarint(v, fieldBucketTokens, math.Float64bits(b.Tokens))
	v = appendVarint(v, fieldBucketPerMinute, uint64(b.PerMinute))
	v = appendVarint(v, fieldBucketBurst, uint64(b.Burst))
	v = appendVarint(v, fieldBucketAt, protowire.EncodeZigZag(b.At.UnixNano()))
	return seal(bucketMinutes, name, v)
}

func decodeBucket(name, value []byte) (apikey.Bucket, error) {
	var b apikey.Bucket
	switch {
	case len(name) == 1+apikey.IDLen && name[0] == bucketOfKey:
		b.ID = apikey.ID(name[1:])
	case len(name) > 1 && name[0] == bucketOfWorkspace:
		b.Workspace = string(name[1:])
	default:
		return b, fmt.Errorf("%w: a minute bucket is stored under the name %s", ErrDamaged, quoteName(name))
	}
	b.At = time.Unix(0, 0)
	fields, err := unseal(bucketMinutes, name, value)
	if err == nil {
		err = eachField(fields, func(field protowire.Number, v uint64) bool {
			switch field {
			case fieldBucketTokens:
				b.Tokens = math.Float64frombits(v)
			case fieldBucketPerMinute:
				b.PerMinute = uint32(v)
			case fieldBucketBurst:
				b.Burst = uint32(v)
			case fieldBucketAt:
				b.At = time.Unix(0, protowire.DecodeZigZag(v))
			default:
				return false
			}
			return true
		}, func(protowire.Number, []byte) bool { return false })
	}
	if err == nil && (math.IsNaN(b.Tokens) || math.IsInf(b.Tokens, 0)) {
		err = fmt.Errorf("%w: it holds no number of tokens", ErrDamaged)
	}
	if err != nil {
		return apikey.Bucket{}, fmt.Errorf("the minute bucket of %s: %w", quoteName(bytes.Clone(name[1:])), err)
	}
	return b, nil
}
