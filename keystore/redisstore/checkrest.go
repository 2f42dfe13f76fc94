package redisstore

import (
	"fmt"
	"math"

	"github.com/redis/rueidis"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// checkOpaque looks for hashes that find no key.
func (s *Store) checkOpaque(yield func(string, error)) error {
	return s.scan(func(cursor uint64) rueidis.Completed {
		return s.conn.B().Hscan().Key(s.names.opaque).Cursor(cursor).Count(pageLen).Build()
	}, func(elements []string) error {
		for i := 0; i+1 < len(elements); i += 2 { // hash, ID
			if err := s.checkHolder(elements[i], elements[i+1], yield); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Store) checkHolder(hash, name string, yield func(string, error)) error {
	id, err := apikey.ParseID(name)
	if err != nil {
		yield(fmt.Sprintf("%+q", name), fmt.Errorf("%w: a hash finds %+q, which is no key ID", keystore.ErrDamaged, name))
		return nil //nolint:nilerr // it has been told
	}
	return s.again(func() (string, error, error) {
		replies := s.conn.DoMulti(s.conn.B().Hget().Key(s.names.opaque).Field(hash).Build(),
			s.conn.B().Exists().Key(s.names.recordOf(id)).Build())
		holder, err := text(replies[0])
		if err != nil {
			return name, nil, err
		}
		there, err := integer(replies[1])
		if err == nil && there == 0 && holder == name {
			return name, fmt.Errorf("%w: a hash finds key %s, which is not there", keystore.ErrDamaged, id), nil
		}
		return name, nil, err
	}, yield)
}

func (s *Store) checkUse(yield func(string, error)) error {
	return s.eachUsed(math.MinInt32, func(id apikey.ID, fields map[string]string) error {
		if _, _, wrong := decodeUse(id, fields); wrong != nil {
			yield(id.String(), wrong)
		}
		return nil
	})
}

func (s *Store) checkWorkspaces(yield func(string, error)) error {
	_, damaged, err := s.charged()
	if err != nil {
		return err
	}
	if damaged != nil {
		yield("the use of workspaces", damaged)
	}
	m, err := s.conn.Do(s.conn.B().Hgetall().Key(s.names.limits).Build())
	if err != nil {
		return err
	}
	records, err := m.AsStrMap()
	for workspace, record := range records {
		if _, wrong := keystore.DecodeLimits(workspace, []byte(record)); wrong != nil {
			yield(fmt.Sprintf("%+q", workspace), wrong)
		}
	}
	return err
}
