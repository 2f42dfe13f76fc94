package redisstore

import (
	"encoding/json"
	"fmt"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// SaveBuckets implements [keystore.Store]. Limits that the gateways share are in
// the engine already; this is for the limits of a gateway that counts alone.
func (s *Store) SaveBuckets(buckets []apikey.Bucket) error {
	if err := s.open(); err != nil {
		return err
	}
	all, err := json.Marshal(buckets)
	if err != nil {
		return err
	}
	_, err = s.conn.Do(s.conn.B().Set().Key(s.names.buckets).Value(string(all)).Build())
	return changeError(err)
}

// Buckets implements [keystore.Store].
func (s *Store) Buckets(yield func(apikey.Bucket)) error {
	if err := s.open(); err != nil {
		return err
	}
	saved, err := text(s.conn.DoMulti(s.conn.B().Get().Key(s.names.buckets).Build())[0])
	if err != nil || saved == "" {
		return err
	}
	var buckets []apikey.Bucket
	if err := json.Unmarshal([]byte(saved), &buckets); err != nil {
		return fmt.Errorf("the minute buckets: %w: %w", keystore.ErrDamaged, err)
	}
	for _, b := range buckets {
		yield(b)
	}
	return nil
}
