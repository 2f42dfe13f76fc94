package redisstore

import (
	"errors"
	"fmt"
	"math"

	"github.com/redis/rueidis"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/keystore"
)

// opaque looks for hashes that find no key.
func (c *checker) opaque() error {
	s := c.s
	return s.scan(func(cursor uint64) rueidis.Completed {
		return s.conn.B().Hscan().Key(s.names.opaque).Cursor(cursor).Count(pageLen).Build()
	}, func(elements []string) error {
		var suspects []suspect
		for i := 0; i+1 < len(elements); i += 2 { // hash, ID
			hash, name := elements[i], elements[i+1]
			id, err := apikey.ParseID(name)
			if err != nil {
				c.yield(fmt.Sprintf("%+q", name), fmt.Errorf("%w: a hash finds %+q, which is no key ID", keystore.ErrDamaged, name))
				continue
			}
			suspects = append(suspects, suspect{name, func(b rueidis.Builder) []rueidis.Completed {
				return []rueidis.Completed{b.Hget().Key(s.names.opaque).Field(hash).Build(), b.Exists().Key(s.names.recordOf(id)).Build()}
			}, func(replies []redis.Reply) (problem, err error) {
				holder, err := text(replies[0])
				if err != nil {
					return nil, err
				}
				there, err := integer(replies[1])
				if err == nil && there == 0 && holder == name {
					problem = fmt.Errorf("%w: a hash finds key %s, which is not there", keystore.ErrDamaged, id)
				}
				return problem, err
			}})
		}
		return c.lookAtAll(suspects)
	})
}

// orphans looks for keys that only a status set or a workspace has.
func (c *checker) orphans() error {
	s := c.s
	for _, set := range s.sets() {
		err := s.eachOrphan(set, func(members []string) error {
			var suspects []suspect
			for _, member := range members {
				id := idInMember(member)
				parsed, _ := apikey.ParseID(id)
				suspects = append(suspects, suspect{id, func(b rueidis.Builder) []rueidis.Completed {
					return []rueidis.Completed{
						b.Zscore().Key(set).Member(member).Build(), b.Zscore().Key(s.names.ids).Member(id).Build(),
						b.Exists().Key(s.names.recordOf(parsed)).Build(),
					}
				}, func(replies []redis.Reply) (problem, err error) {
					there, err := integer(replies[2])
					if err = errors.Join(replies[0].Err, replies[1].Err, err); err == nil && !replies[0].IsNil() && replies[1].IsNil() && there == 0 {
						problem = fmt.Errorf("%w: the index has key %s in a part alone; %s", keystore.ErrDamaged, id, toMend)
					}
					return problem, err
				}})
			}
			return c.lookAtAll(suspects)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) use() error {
	return c.s.eachUsed(math.MinInt32, func(id apikey.ID, fields map[string]string, wrong error) error {
		if wrong == nil {
			_, _, wrong = decodeUse(id, fields)
		}
		if wrong != nil {
			c.yield(id.String(), wrong)
		}
		return nil
	})
}

func (c *checker) workspaces() error {
	s := c.s
	_, damaged, err := s.charged()
	if err != nil {
		return err
	}
	if damaged != nil {
		c.yield("the use of workspaces", damaged)
	}
	m, err := s.conn.Do(s.conn.B().Hgetall().Key(s.names.limits).Build())
	if err != nil {
		return err
	}
	records, err := m.AsStrMap()
	for workspace, record := range records {
		if _, wrong := keystore.DecodeLimits(workspace, []byte(record)); wrong != nil {
			c.yield(fmt.Sprintf("%+q", workspace), wrong)
		}
	}
	return err
}
