// Package redisstore keeps keys on Redis or Valkey, for several gateways that
// share them. Records are the same bytes as in a store file. Look-ups are
// answered from memory, which Redis invalidation messages keep current; see
// [Store].
package redisstore

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/keystore"
)

// Config says how a store uses its engine.
type Config struct {
	// Replicas is how many replicas each change waits for, at most for what is
	// left of the connection's timeout: a change that fewer have is in force all
	// the same, see keystore.Actor.Replication. 0: none are asked for.
	Replicas int

	// Existing refuses an engine without a store, and one that has lost a part of
	// its index, rather than to begin anew.
	Existing bool
}

// Store is a [keystore.Store] on an engine that other gateways use as well. A
// change through one of them is in force for the look-ups of another as soon as
// the invalidation message has arrived there. A gateway that is cut off accepts
// no key after two heartbeats and StaleMax.
//
// Changes take no lock on the engine. A change is repeated if another gateway was
// faster, so the functions given to Update, Rotate and Delete may be called
// several times. A change is noted before it is made, see change. If its answer
// is lost or its gateway ends, it is finished or undone: by whoever repeats it,
// or within seconds by any gateway. Its error wraps [keystore.ErrUnknownOutcome]
// only if nobody could find out in time what became of it. Unlike a store file,
// this store takes changes again as soon as the engine does. CreateAll and Rotate
// create keys one by one, and undo that if they fail: others may see a part of it
// for a moment.
//
// Where the engine does not answer, changes fail at once with an error that
// wraps [keystore.ErrNotWritten], and nothing is kept to be written later.
type Store struct {
	conn     *redis.Conn
	tracking *redis.Tracking
	names    names
	name     string // of the store, which no other has
	made     bool   // by this process
	replicas int

	keys   *cache[apikey.ID, apikey.Grant]
	hashes *cache[apikey.Hash, apikey.ID]

	hasOpaque  atomic.Bool
	opaqueNews atomic.Uint64 // grows with every invalidation of names.opaque

	limits     atomic.Pointer[map[string]apikey.WorkspaceLimits] // never written; nil: none
	limitsNews atomic.Uint64                                     // grows with every invalidation, and every change of ours
	limitsOf   atomic.Pointer[redis.Generation]                  // in which limits were read
	reload     chan struct{}                                     // the limits are to be read
	loading    sync.Mutex

	writing [64]sync.Mutex // by ID: writers of one process wait rather than repeat

	underway keystore.Underway // those that take a lock of writing

	givenUpMu sync.Mutex
	givenUp   map[string]bool // changes that this process has begun and does not go on with
	mendDue   chan struct{}   // there are changes that may have been given up
	scanDue   chan struct{}   // the engine is back: it may lack a part of what it had
	placeDue  chan struct{}   // there are audit entries without a place

	ready    atomic.Bool  // tracking is set; before that there is nothing to drop
	gateway  string       // its name among the gateways
	gateways atomic.Int64 // see Gateways
	skew     atomic.Int64 // see State
	evicted  atomic.Int64
	lacking  atomic.Pointer[error] // permissions; nil: none

	closed  atomic.Bool
	closing chan struct{}
	tasks   sync.WaitGroup
}

var _ keystore.Store = (*Store)(nil)

// Open opens the store with the connection's prefix, and creates it where the
// engine has none. The connection stays the caller's, and has to be closed
// after the store.
func Open(conn *redis.Conn, config Config) (*Store, error) {
	if config.Replicas < 0 {
		return nil, fmt.Errorf("%d replicas are asked for", config.Replicas)
	}
	s := &Store{
		conn: conn, names: newNames(conn.Prefix()), replicas: config.Replicas, gateway: rand.Text(),
		reload: make(chan struct{}, 1), closing: make(chan struct{}),
		mendDue: make(chan struct{}, 1), scanDue: make(chan struct{}, 1),
		placeDue: make(chan struct{}, 1),
	}
	patience := conn.Config().Timeout
	s.keys = newCache(patience, s.readGrant)
	s.hashes = newCache(patience, s.readHash)
	if err := s.create(config.Existing); err != nil {
		return nil, fmt.Errorf("key store %s: %w", conn.Prefix(), err)
	}
	tracking, err := conn.Track([]string{s.names.record, s.names.opaque, s.names.limits}, s.changed, redis.Beat{Ask: s.ask, Heard: s.heard})
	if err != nil {
		return nil, fmt.Errorf("key store %s: %w", conn.Prefix(), err)
	}
	s.tracking, s.keys.tracking, s.hashes.tracking = tracking, tracking, tracking
	s.ready.Store(true)
	if err := errors.Join(s.loadLimits(), s.loadOpaque()); err != nil {
		tracking.Close()
		return nil, fmt.Errorf("key store %s: %w", conn.Prefix(), err)
	}
	s.tasks.Go(s.followLimits)
	s.tasks.Go(s.sweep)
	s.tasks.Go(s.present)
	due(s.scanDue)
	s.beThere()
	s.tasks.Go(s.keepMending)
	return s, nil
}

// create begins the store where there is none, unless it is to exist, and refuses
// that of a newer Keygate.
func (s *Store) create(existing bool) error {
	how := "create"
	if existing {
		how = "find"
	}
	n, name := &s.names, rand.Text()
	m, err := s.conn.Run(createScript, []string{n.meta, n.ids, n.opaque, n.limits},
		[]string{schemaVersion, time.Now().UTC().Format(time.RFC3339), name, how, formatDay(apikey.DayOf(time.Now()))})
	if err != nil {
		return err
	}
	there, err := m.AsStrSlice()
	if err == nil && len(there) == 0 && existing {
		return errNone
	}
	if err != nil || len(there) != 2 {
		return fmt.Errorf("%w: %w", errLost, err)
	}
	if schema := there[0]; schema != schemaVersion {
		return fmt.Errorf("%w (schema %s, this one knows %s)", keystore.ErrNewer, schema, schemaVersion)
	}
	s.name, s.made = there[1], there[1] == name
	return nil
}

// About implements [keystore.Store].
func (s *Store) About() keystore.About {
	config := s.conn.Config()
	place := strings.Join(config.Addresses, ", ")
	if config.Master != "" {
		place = config.Master + " of the sentinels " + place
	}
	schema, _ := strconv.Atoi(schemaVersion) // a number
	return keystore.About{Kind: "redis", Place: place + ", prefix " + s.conn.Prefix(), Schema: schema, Made: s.made}
}

// errNone is why a store that has to exist is not opened.
var errNone = fmt.Errorf("%w: it has no key store under this prefix, and create is off; "+
	"bring the data back, or let one gateway create a store", redis.ErrUnavailable)

// errLost is why an engine that answers is not believed: it would call every
// key unknown.
var errLost = fmt.Errorf("%w: it has lost the data of the key store (or was emptied); "+
	"bring the data back, or restart all gateways to go on with what there is", redis.ErrUnavailable)

// ask is what the store wants to know with every heartbeat.
func (s *Store) ask(b rueidis.Builder) []rueidis.Completed {
	n := &s.names
	return []rueidis.Completed{b.Eval().Script(beatScript).Numkeys(5).Key(n.meta, n.pending, n.ids, n.opaque, n.limits).Build()}
}

// heard checks the answer to a heartbeat. It refuses any store but the one that
// was opened: a gateway that starts on an engine without its data makes a new
// store, which knows no key. It also refuses a store that has lost an index,
// because that would make keys unknown.
func (s *Store) heard(replies []redis.Reply) error {
	if replies[0].Err != nil {
		return replies[0].Err
	}
	told, err := replies[0].ToArray()
	if err != nil || len(told) != 4 {
		return errLost
	}
	name, _ := told[0].ToString()
	pending, _ := told[1].AsInt64()
	gone, _ := told[2].ToString()
	if unplaced, _ := told[3].AsInt64(); unplaced > 0 {
		due(s.placeDue)
	}
	switch {
	case name != s.name:
		return errLost
	case gone != "":
		return fmt.Errorf("%w (%s is gone)", errLost, gone)
	case pending > 0:
		due(s.mendDue)
	}
	if s.conn.Away() != nil { // until now
		due(s.scanDue)
	}
	if s.ready.Load() && s.limitsOf.Load() != s.tracking.Generation() { // words of changes may be missing
		s.reloadLimits()
		s.opaqueChanged()
	}
	return nil
}

// changed is called with the name of what has changed in the engine.
func (s *Store) changed(name string) {
	if !s.ready.Load() {
		return
	}
	switch name {
	case s.names.opaque:
		s.opaqueChanged()
	case s.names.limits:
		s.limitsNews.Add(1)
		s.reloadLimits()
	default:
		if id, ok := s.names.idOf(name); ok {
			s.keys.heard(id)
		}
	}
}

// sweep drops what nobody asks for.
func (s *Store) sweep() {
	ticker := time.NewTicker(time.Minute)
	defer ticker.Stop()
	for {
		select {
		case <-s.closing:
			return
		case <-ticker.C:
			s.keys.sweep()
			s.hashes.sweep()
		}
	}
}

// Writable implements [keystore.Store]. It tells what the last heartbeat, which
// is a write, has shown, and which permissions the engine's user lacks.
func (s *Store) Writable() error {
	if s.closed.Load() {
		return keystore.ErrClosed
	}
	if err := s.conn.Away(); err != nil {
		return err
	}
	if lacking := s.lacking.Load(); lacking != nil {
		return *lacking
	}
	return nil
}

// Waiting implements [keystore.Store]. It tells of those changes of keys that wait
// for each other, which is all that can wait for longer than the timeout of the
// connection: every trip to the engine ends by then.
func (s *Store) Waiting() time.Duration { return s.underway.Waiting(time.Now()) }

// Close implements [keystore.Store]. The connection stays open.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return keystore.ErrClosed
	}
	close(s.closing)
	s.tasks.Wait()
	s.tracking.Close()
	return nil
}

// open returns ErrClosed after Close.
func (s *Store) open() error {
	if s.closed.Load() {
		return keystore.ErrClosed
	}
	return nil
}
