package redisstore

import (
	"errors"
	"time"

	"github.com/redis/rueidis"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// mendEvery is for how long no other gateway looks at all keys after one has begun
// to: a fleet that starts at once, or finds its engine back, needs only one.
const mendEvery = time.Minute

var errClosing = errors.New("the store is being closed")

// due makes a task run soon.
func due(task chan struct{}) {
	select {
	case task <- struct{}{}:
	default:
	}
}

// keepMending resolves the changes that nobody goes on with, as soon as a
// heartbeat tells that there are some. At the start, and where the engine is back,
// it looks at all keys: an engine may come back without the last of its writes,
// and a Cluster without those of one master.
func (s *Store) keepMending() {
	for {
		select {
		case <-s.closing:
			return
		case <-s.scanDue:
			m, err := s.conn.Do(s.conn.B().Set().Key(s.names.mending).Value("").Nx().PxMilliseconds(mendEvery.Milliseconds()).Build())
			if err == nil && !m.IsNil() {
				_, _ = s.mendAll() // it is given up where the engine fails; Check tells of what is left
			}
		case <-s.placeDue:
			_ = s.placeTrail(time.Time{}) // as well
		case <-s.mendDue:
			_, _ = s.resolveNotes() // the next heartbeat asks for it again
		}
	}
}

// Mend resolves the changes that nobody goes on with, and makes the index agree
// with all records. It returns how much it has mended, and looks at every key of
// the engine.
func (s *Store) Mend() (mended int, err error) {
	if err := s.open(); err != nil {
		return 0, err
	}
	n, err := s.resolveNotes()
	if err != nil {
		return n, changeError(err)
	}
	all, err := s.mendAll()
	return n + all, changeError(err)
}

// mendAll enters all keys again whose places in the index do not agree with their
// records, and then removes keys that only a part of the index has.
func (s *Store) mendAll() (mended int, err error) {
	err = s.conn.Scan(s.names.record, func(names []string) error {
		if s.isClosing() {
			return errClosing
		}
		var ids []apikey.ID
		for _, name := range names {
			if id, ok := s.names.idOf(name); ok {
				ids = append(ids, id)
			}
		}
		n, err := s.mendKeys(ids)
		mended += n
		return err
	})
	if err != nil {
		return mended, err
	}
	n, err := s.mendOrphans()
	return mended + n, err
}

// mendKeys enters those of the keys that are not where the index should have
// them. One may be on its way in or out at another gateway; entering it twice does
// no harm.
func (s *Store) mendKeys(ids []apikey.ID) (mended int, err error) {
	wrong, err := s.misplaced(ids)
	if err != nil || len(wrong) == 0 {
		return 0, err
	}
	c, err := s.begin(wrong...)
	if err != nil {
		return 0, err
	}
	// Others may have entered them since they were read; from the note on that shows.
	records, err := s.records(idsOf(wrong))
	if err != nil {
		return 0, err
	}
	for i, e := range c.pages[0] {
		c.pages[0][i] = entryOf(records[i], &e.k)
	}
	return len(wrong), c.complete(keystore.Actor{}, nil)
}

// misplaced returns entries for those keys with a record that is whole of which
// the index differs.
func (s *Store) misplaced(ids []apikey.ID) (wrong []entry, err error) {
	looks, err := s.lookAt(ids)
	if err != nil {
		return nil, err
	}
	for i := range looks {
		if l := &looks[i]; l.whole && l.problem != nil {
			wrong = append(wrong, entry{op: "put", k: l.k})
		}
	}
	return wrong, nil
}

// mendOrphans takes keys from the status sets and the workspaces that are in the
// list of all keys no more.
func (s *Store) mendOrphans() (mended int, err error) {
	for _, set := range s.sets() {
		err := s.eachOrphan(set, func(members []string) error {
			var args []string
			for _, member := range members {
				args = append(args, idInMember(member), member)
			}
			m, err := s.conn.Run(dropScript, []string{s.names.ids, set}, args)
			if err != nil {
				return err
			}
			n, err := m.AsInt64()
			mended += int(n)
			return err
		})
		if err != nil {
			return mended, err
		}
	}
	return mended, nil
}

// sets are what the index has besides the list of all keys.
func (s *Store) sets() []string {
	n := &s.names
	return []string{n.disabled, n.revoked, n.expires, n.until, n.workspaces}
}

// eachOrphan yields members of a set of keys that have neither a record nor a
// place in the list of all keys, some at a time.
func (s *Store) eachOrphan(set string, yield func(members []string) error) error {
	return s.scan(func(cursor uint64) rueidis.Completed {
		return s.conn.B().Zscan().Key(set).Cursor(cursor).Count(pageLen).Build()
	}, func(elements []string) error {
		var members []string
		var cmds []rueidis.Completed
		for i := 0; i+1 < len(elements); i += 2 { // member, score
			id, err := apikey.ParseID(idInMember(elements[i]))
			if err != nil {
				continue
			}
			members = append(members, elements[i])
			cmds = append(cmds, s.conn.B().Zscore().Key(s.names.ids).Member(id.String()).Build(),
				s.conn.B().Exists().Key(s.names.recordOf(id)).Build())
		}
		replies := s.conn.DoMulti(cmds...)
		var orphans []string
		for i, member := range members {
			there, err := integer(replies[2*i+1])
			if err = errors.Join(replies[2*i].Err, err); err != nil {
				return err
			}
			if replies[2*i].IsNil() && there == 0 {
				orphans = append(orphans, member)
			}
		}
		if len(orphans) == 0 {
			return nil
		}
		return yield(orphans)
	})
}
