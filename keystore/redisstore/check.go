package redisstore

import (
	"fmt"
	"time"

	"github.com/redis/rueidis"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/keystore"
)

// Record and index are written one after the other, so that Check may meet them
// in between. All that looks wrong is looked at again so often, with such a pause.
const (
	rechecks     = 8
	recheckPause = 25 * time.Millisecond
)

// suspect is one thing to be looked at: what to ask for it, and what the answers
// tell, a problem or why it could not be looked at.
type suspect struct {
	name  string
	ask   func(b rueidis.Builder) []rueidis.Completed
	judge func([]redis.Reply) (problem, err error)
}

// checker collects what looks wrong.
type checker struct {
	s     *Store
	yield func(name string, problem error)
	keys  []apikey.ID
	rest  []suspect
}

// Check implements [keystore.Store]. Besides each record it checks that records,
// index and audit trail agree with each other. It looks at every key of the
// engine. Every problem wraps [keystore.ErrDamaged] or [keystore.ErrNewer].
func (s *Store) Check(yield func(name string, problem error)) (keys int, err error) {
	if err := s.open(); err != nil {
		return 0, err
	}
	c := &checker{s: s, yield: yield}
	seen, err := c.everyKey()
	if err != nil {
		return len(seen), err
	}
	for _, part := range []func() error{c.opaque, c.orphans, c.use, c.seen, c.workspaces, c.audit, c.auditByKey, c.unplaced, c.places, c.auditByWorkspace, c.outboxes, c.again} {
		if err := part(); err != nil {
			return len(seen), err
		}
	}
	return len(seen), nil
}

// everyKey looks at the keys that have a record, and at those that the list of
// all keys has besides.
func (c *checker) everyKey() (seen map[apikey.ID]bool, err error) {
	s := c.s
	seen = make(map[apikey.ID]bool)
	err = s.conn.Scan(s.names.record, func(names []string) error {
		var ids []apikey.ID
		for _, name := range names {
			id, ok := s.names.idOf(name)
			if !ok {
				c.yield(fmt.Sprintf("%+q", name), fmt.Errorf("%w: a record under the name %+q, which is no key ID", keystore.ErrDamaged, name))
			} else if !seen[id] {
				seen[id] = true
				ids = append(ids, id)
			}
		}
		return c.look(ids)
	})
	if err != nil {
		return seen, err
	}
	for after, more := (apikey.ID{}), true; more; {
		var ids, missing []apikey.ID
		if ids, more, err = s.idsAfter("", "", after, pageLen); err != nil {
			return seen, err
		}
		for _, id := range ids {
			if !seen[id] {
				missing = append(missing, id)
			}
			after = id
		}
		if err := c.look(missing); err != nil {
			return seen, err
		}
	}
	return seen, nil
}

func (c *checker) look(ids []apikey.ID) error {
	looks, err := c.s.lookAt(ids)
	for i := range looks {
		if looks[i].problem != nil {
			c.keys = append(c.keys, ids[i])
		}
	}
	return err
}

// lookAtAll looks at suspects, and keeps those with whom something is wrong.
func (c *checker) lookAtAll(suspects []suspect) error {
	wrong, _, err := c.s.wrongOf(suspects)
	c.rest = append(c.rest, wrong...)
	return err
}

// wrongOf returns those suspects with whom something is wrong, and what.
func (s *Store) wrongOf(suspects []suspect) (wrong []suspect, problems []error, err error) {
	for len(suspects) > 0 {
		some := suspects[:min(len(suspects), pageLen)]
		suspects = suspects[len(some):]
		var cmds []rueidis.Completed
		ends := make([]int, len(some))
		for i := range some {
			cmds = append(cmds, some[i].ask(s.conn.B())...)
			ends[i] = len(cmds)
		}
		replies, start := s.conn.DoMulti(cmds...), 0
		for i := range some {
			problem, err := some[i].judge(replies[start:ends[i]])
			start = ends[i]
			if err != nil {
				return nil, nil, err
			}
			if problem != nil {
				wrong, problems = append(wrong, some[i]), append(problems, problem)
			}
		}
	}
	return wrong, problems, nil
}

// again yields what is still wrong after a while.
func (c *checker) again() error {
	for try := 1; ; try++ {
		looks, err := c.s.lookAt(c.keys)
		if err != nil {
			return err
		}
		rest, problems, err := c.s.wrongOf(c.rest)
		if err != nil {
			return err
		}
		c.keys = c.keys[:0]
		for i := range looks {
			if looks[i].problem != nil {
				c.keys = append(c.keys, looks[i].id)
			}
		}
		c.rest = rest
		switch {
		case len(c.keys)+len(c.rest) == 0:
			return nil
		case try < rechecks:
			time.Sleep(recheckPause)
			continue
		}
		for i := range looks {
			if looks[i].problem != nil {
				c.yield(looks[i].id.String(), looks[i].problem)
			}
		}
		for i := range rest {
			c.yield(rest[i].name, problems[i])
		}
		return nil
	}
}
