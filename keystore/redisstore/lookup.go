package redisstore

import (
	"fmt"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/keystore"
)

// Lookup implements [keystore.Store]. A key that is not in memory is read. A
// record that does not verify is an error.
func (s *Store) Lookup(id apikey.ID) (apikey.Grant, bool, error) {
	if s.closed.Load() {
		return apikey.Grant{}, false, keystore.ErrClosed
	}
	return s.keys.get(id)
}

// LookupOpaque implements [keystore.Store].
func (s *Store) LookupOpaque(hash apikey.Hash) (apikey.ID, apikey.Grant, bool, error) {
	if s.closed.Load() {
		return apikey.ID{}, apikey.Grant{}, false, keystore.ErrClosed
	}
	if !s.hasOpaque.Load() && s.tracking.Proven(s.tracking.Generation()) {
		return apikey.ID{}, apikey.Grant{}, false, nil
	}
	id, ok, err := s.hashes.get(hash)
	if !ok || err != nil {
		return apikey.ID{}, apikey.Grant{}, false, err
	}
	g, ok, err := s.keys.get(id)
	if !ok || err != nil || g.Hash != hash { // on its way in or out
		return apikey.ID{}, apikey.Grant{}, false, err
	}
	return id, g, true, nil
}

// HasOpaque implements [keystore.Store]. After Close it answers as before.
func (s *Store) HasOpaque() bool { return s.hasOpaque.Load() }

// opaqueChanged makes all answers about hashes doubtful, and assumes that there
// are opaque keys until the engine says otherwise.
func (s *Store) opaqueChanged() {
	s.opaqueNews.Add(1)
	s.hasOpaque.Store(true)
	s.hashes.forgetAll()
	s.reloadLimits()
}

// loadOpaque asks whether there are opaque keys.
func (s *Store) loadOpaque() error {
	for {
		news := s.opaqueNews.Load()
		n, err := integer(s.tracking.DoMulti(s.tracking.B().Hlen().Key(s.names.opaque).Build())[0])
		if err != nil {
			return err
		}
		s.hasOpaque.Store(n > 0)
		if s.opaqueNews.Load() == news {
			return nil
		}
	}
}

func integer(r redis.Reply) (int64, error) {
	if r.Err != nil {
		return 0, r.Err
	}
	return r.AsInt64()
}

// text returns a string, and "" for nil.
func text(r redis.Reply) (string, error) {
	if r.Err != nil || r.IsNil() {
		return "", r.Err
	}
	return r.ToString()
}

// rereads is how often a record that the index has is looked for. It is in the
// index for a moment after it is gone, and in a Cluster the answers of two
// nodes may be of two moments.
const rereads = 6

// readGrant asks the engine for a key. Index and record are always both asked
// for, so that an unknown key takes as long as a known one.
func (s *Store) readGrant(id apikey.ID) (apikey.Grant, bool, error) {
	b := s.tracking.B()
	for try := range rereads {
		if try > 0 {
			time.Sleep(time.Millisecond << (try - 1))
		}
		replies := s.tracking.DoMulti(
			b.Zscore().Key(s.names.ids).Member(id.String()).Build(),
			b.Get().Key(s.names.recordOf(id)).Build())
		for i := range replies {
			if replies[i].Err != nil {
				return apikey.Grant{}, false, replies[i].Err
			}
		}
		if replies[1].IsNil() {
			if replies[0].IsNil() {
				return apikey.Grant{}, false, nil
			}
			continue
		}
		record, err := replies[1].AsBytes()
		if err != nil {
			return apikey.Grant{}, false, err
		}
		k, err := keystore.DecodeKey(id, record)
		if err != nil {
			return apikey.Grant{}, false, err
		}
		g, err := k.Grant()
		if err != nil {
			return apikey.Grant{}, false, fmt.Errorf("the record of key %s: %w: %w", id, keystore.ErrDamaged, err)
		}
		return g, true, nil
	}
	return apikey.Grant{}, false, fmt.Errorf("%w: it has lost the record of key %s, which its index has", redis.ErrUnavailable, id)
}

// readHash asks the engine which opaque key has a hash.
func (s *Store) readHash(hash apikey.Hash) (apikey.ID, bool, error) {
	replies := s.tracking.DoMulti(s.tracking.B().Hget().Key(s.names.opaque).Field(string(hash[:])).Build())
	name, err := text(replies[0])
	if err != nil || name == "" {
		return apikey.ID{}, false, err
	}
	id, err := apikey.ParseID(name)
	if err != nil {
		return apikey.ID{}, false, fmt.Errorf("%w: the index of opaque keys holds no key ID", keystore.ErrDamaged)
	}
	return id, true, nil
}
