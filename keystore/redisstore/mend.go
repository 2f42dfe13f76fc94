package redisstore

import (
	"errors"
	"time"

	"github.com/redis/rueidis"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// mendEvery is for how long no other gateway mends after one has begun to: a
// fleet that starts at once needs only one.
const mendEvery = time.Minute

// mendAtStart enters those records that the index lacks, as a gateway leaves
// them that ends between two steps. It looks at every key of the engine, and is
// given up where the engine fails; Check tells of what is left.
func (s *Store) mendAtStart() {
	m, err := s.conn.Do(s.conn.B().Set().Key(s.names.mending).Value("").Nx().PxMilliseconds(mendEvery.Milliseconds()).Build())
	if err == nil && !m.IsNil() {
		_ = s.mend()
	}
}

var errClosing = errors.New("the store is being closed")

func (s *Store) mend() error {
	return s.conn.Scan(s.names.record, func(names []string) error {
		select {
		case <-s.closing:
			return errClosing
		default:
		}
		var ids []apikey.ID
		var cmds []rueidis.Completed
		for _, name := range names {
			if id, ok := s.names.idOf(name); ok {
				ids = append(ids, id)
				cmds = append(cmds, s.conn.B().Zscore().Key(s.names.ids).Member(id.String()).Build())
			}
		}
		for i, reply := range s.conn.DoMulti(cmds...) {
			if reply.Err != nil {
				return reply.Err
			}
			if reply.IsNil() {
				if err := s.mendKey(ids[i]); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// mendKey enters a key as its record is. It may be on its way in at another
// gateway; entering it twice does no harm.
func (s *Store) mendKey(id apikey.ID) error {
	record, k, err := s.stored(id)
	switch {
	case errors.Is(err, keystore.ErrNotFound), errors.Is(err, keystore.ErrDamaged), errors.Is(err, keystore.ErrNewer):
		return nil
	case err != nil:
		return err
	}
	if err := s.enter(keystore.Actor{}, entry{op: "put", k: k}); err != nil {
		return err
	}
	return s.settle(id, record)
}

// Mend mends.
func (s *Store) Mend() (int, error) { return 0, s.mend() }
