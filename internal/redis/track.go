package redis

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// Tracking reads from the engine, and receives an invalidation for every change
// of what it read. One connection to each master carries both, so a value that
// was read before a change is always followed by its invalidation.
//
// While a connection is lost, invalidations are lost too. Every such gap begins a
// new [Generation], and what was read in an older one must be read again.
type Tracking struct {
	conn    *Conn
	client  rueidis.Client
	changed func(key string)
	beat    Beat
	start   time.Time

	generation atomic.Pointer[Generation]
	slots      slots // of the heartbeat alone

	again   chan struct{} // the next heartbeat is due at once
	closing context.CancelFunc
	done    sync.WaitGroup
}

// Generation is a time without a gap.
type Generation struct {
	// proof is when the last heartbeat was sent that was answered, since start.
	proof atomic.Int64

	first  sync.Once
	proven chan struct{} // closed by the first proof
}

func newGeneration() *Generation {
	g := &Generation{proven: make(chan struct{})}
	g.proof.Store(never)
	return g
}

func (g *Generation) prove(sent time.Duration) {
	g.proof.Store(int64(sent))
	g.first.Do(func() { close(g.proven) })
}

// Beat is what a heartbeat asks besides. Heard gets the replies, and returns
// why the engine must not be believed although it answers.
type Beat struct {
	Ask   func(rueidis.Builder) []rueidis.Completed
	Heard func([]Reply) error
}

// Track begins to track the keys with one of the prefixes, of which none may
// begin with another. It calls changed with the key, in the order of the
// changes; changed must return soon, and must not call the Tracking. It returns
// after the first heartbeat.
func (c *Conn) Track(prefixes []string, changed func(key string), beat Beat) (*Tracking, error) {
	t := &Tracking{
		conn: c, changed: changed, beat: beat, start: time.Now(), again: make(chan struct{}, 1),
	}
	t.newGeneration()
	options := c.options()
	options.PipelineMultiplex = -1 // one connection to each master
	options.ClientName = "keygate-tracking"
	options.ClientTrackingOptions = []string{"BCAST"}
	for _, p := range prefixes {
		options.ClientTrackingOptions = append(options.ClientTrackingOptions, "PREFIX", p)
	}
	options.OnInvalidations = t.hear
	options.DialCtxFn = t.dial
	var err error
	if t.client, err = rueidis.NewClient(options); err != nil {
		return nil, c.explain(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.closing = cancel
	if err := t.beatOnce(ctx); err != nil {
		cancel()
		t.client.Close()
		c.away.Store(nil) // nobody asks again
		return nil, err
	}
	t.done.Go(func() { t.beatUntil(ctx) })
	return t, nil
}

// hear is called by each connection: with the changed keys, or with nil where
// all have changed, or the connection has ended.
func (t *Tracking) hear(keys []rueidis.RedisMessage) {
	if keys == nil {
		t.newGeneration()
		return
	}
	for i := range keys {
		if key, err := keys[i].ToString(); err == nil {
			t.changed(key)
		}
	}
}

// dial begins a generation before there is a connection on which to read in it.
func (t *Tracking) dial(ctx context.Context, address string, dialer *net.Dialer, config *tls.Config) (net.Conn, error) {
	t.newGeneration()
	return dial(ctx, address, dialer, config)
}

// never is a proof that is too old for any StaleMax.
const never = -1 << 62

func (t *Tracking) newGeneration() {
	t.generation.Store(newGeneration())
	select {
	case t.again <- struct{}{}:
	default:
	}
}

// Generation returns the one that there is now.
func (t *Tracking) Generation() *Generation { return t.generation.Load() }

// Proven reports whether a value that was read in a generation, and not
// invalidated since, is current: at most two heartbeats ago the engine proved that
// it had sent all invalidations. It allocates nothing.
func (t *Tracking) Proven(g *Generation) bool {
	return g == t.generation.Load() && t.since(g) <= 2*t.conn.config.Heartbeat
}

// AwaitProof waits for the first heartbeat of a generation that has just begun,
// and reports whether the engine can be believed now.
func (t *Tracking) AwaitProof(patience time.Duration) bool {
	g := t.generation.Load()
	if t.Proven(g) {
		return true
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-g.proven:
	case <-timer.C:
	}
	return t.Proven(t.generation.Load())
}

// Usable reports whether what was read in a generation may be used although it
// is not proven, and cannot be read again: for StaleMax longer.
func (t *Tracking) Usable(g *Generation) bool {
	return t.conn.config.StaleMax > 0 && t.since(g) <= 2*t.conn.config.Heartbeat+t.conn.config.StaleMax
}

func (t *Tracking) since(g *Generation) time.Duration {
	return time.Since(t.start) - time.Duration(g.proof.Load())
}

// SinceProof returns how long ago the last heartbeat was sent that was answered,
// or less than 0 where none was since the last gap.
func (t *Tracking) SinceProof() time.Duration {
	g := t.generation.Load()
	if g.proof.Load() == never {
		return -1
	}
	return t.since(g)
}

// B begins a command.
func (t *Tracking) B() rueidis.Builder { return t.client.B() }

// DoMulti reads. See [Conn.DoMulti].
func (t *Tracking) DoMulti(cmds ...rueidis.Completed) []Reply {
	ctx, cancel := context.WithTimeout(context.Background(), t.conn.config.Timeout)
	defer cancel()
	return t.conn.doMulti(ctx, t.client, cmds)
}

// Close ends the heartbeat and the connections.
func (t *Tracking) Close() {
	t.closing()
	t.done.Wait()
	t.client.Close()
	t.conn.away.Store(nil) // nobody asks any more
}
