package redis

import (
	"context"
	"crypto/tls"
	"net"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// Conn is a connection to an engine, whatever that consists of. All methods may
// be called at once from many goroutines.
//
// No call takes longer than Config.Timeout, and none is sent twice or queued
// for later: what fails, fails at once.
type Conn struct {
	client   rueidis.Client
	config   Config
	warnings []string

	// away is why the last heartbeat failed. Calls fail with it at once rather
	// than after Timeout. nil: the engine is there, or nobody asks.
	away atomic.Pointer[error]
}

// Dial connects to an engine, and refuses one that is too old or cannot tell
// of changes. An engine that does not answer is an error that wraps
// [ErrUnavailable].
func Dial(config Config) (*Conn, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &Conn{config: config}
	options := c.options()
	options.DisableCache = true
	if c.client, err = rueidis.NewClient(options); err != nil {
		return nil, c.diagnose(c.explain(err))
	}
	if c.warnings, err = c.inspect(); err != nil {
		c.client.Close()
		return nil, err
	}
	return c, nil
}

// options are those of every client of this connection.
func (c *Conn) options() rueidis.ClientOption {
	return rueidis.ClientOption{
		InitAddress: c.config.Addresses,
		Sentinel: rueidis.SentinelOption{
			MasterSet: c.config.Master,
			Username:  c.config.SentinelUsername,
			Password:  c.config.SentinelPassword,
			TLSConfig: c.config.TLS,
			Dialer:    net.Dialer{Timeout: c.config.Timeout, KeepAlive: c.config.Heartbeat},
			// A missed message would bind the client to the old master.
			TopologyRefreshInterval: 5 * time.Second,
		},
		Username:  c.config.Username,
		Password:  c.config.Password,
		TLSConfig: c.config.TLS,
		DialCtxFn: dial,
		// KeepAlive is also after how long without an answer a connection is
		// asked for one; without that a dead one is noticed by nobody.
		Dialer:           net.Dialer{Timeout: c.config.Timeout, KeepAlive: c.config.Heartbeat},
		ConnWriteTimeout: c.config.Timeout,
		ClientSetInfo:    rueidis.DisableClientSetInfo,
		ClientName:       "keygate",
		DisableRetry:     true,
		AlwaysPipelining: true, // so that a connection that ends while it is idle is noticed before it is used
		RetryDelay:       func(int, rueidis.Completed, error) time.Duration { return -1 },
		// The rings and buffers of the library are meant for far more load.
		RingScaleEachConn:   10,
		ReadBufferEachConn:  64 << 10,
		WriteBufferEachConn: 64 << 10,
		BlockingPoolCleanup: time.Minute,
		ClusterOption:       rueidis.ClusterOption{ShardsRefreshInterval: 5 * time.Second, MaxMovedRedirections: 3},
	}
}

// dial marks errors after which the engine has not seen the command.
func dial(ctx context.Context, address string, dialer *net.Dialer, config *tls.Config) (net.Conn, error) {
	conn, err := connect(ctx, address, dialer, config)
	if err != nil {
		return nil, notSentError{err}
	}
	return conn, nil
}

func connect(ctx context.Context, address string, dialer *net.Dialer, config *tls.Config) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialer.Timeout) // of the handshake, too
	defer cancel()
	if config == nil {
		return dialer.DialContext(ctx, "tcp", address)
	}
	return (&tls.Dialer{NetDialer: dialer, Config: config}).DialContext(ctx, "tcp", address)
}

// Config returns the configuration with its defaults filled in.
func (c *Conn) Config() Config { return c.config }

// Prefix is what the name of every key begins with.
func (c *Conn) Prefix() string { return c.config.Prefix }

// Warnings returns what is wrong with the engine's settings, one sentence each.
func (c *Conn) Warnings() []string { return c.warnings }

// Cluster reports whether the engine is a Cluster, where all keys of one
// script have to share a hash tag.
func (c *Conn) Cluster() bool { return c.client.Mode() == rueidis.ClientModeCluster }

// B begins a command.
func (c *Conn) B() rueidis.Builder { return c.client.B() }

// Do runs one command. A reply that is nil is no error; ask IsNil.
func (c *Conn) Do(cmd rueidis.Completed) (rueidis.RedisMessage, error) {
	if err := c.Away(); err != nil {
		return rueidis.RedisMessage{}, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.config.Timeout)
	defer cancel()
	return c.message(c.client.Do(ctx, cmd))
}

// Reply is the answer to one of several commands.
type Reply struct {
	rueidis.RedisMessage
	Err error
}

// DoMulti runs commands without waiting for one before the next is sent. They
// are neither atomic nor, in a Cluster, in order.
func (c *Conn) DoMulti(cmds ...rueidis.Completed) []Reply {
	ctx, cancel := context.WithTimeout(context.Background(), c.config.Timeout)
	defer cancel()
	return c.doMulti(ctx, c.client, cmds)
}

func (c *Conn) doMulti(ctx context.Context, client rueidis.Client, cmds []rueidis.Completed) []Reply {
	replies := make([]Reply, len(cmds))
	if err := c.Away(); err != nil {
		for i := range replies {
			replies[i].Err = err
		}
		return replies
	}
	for i, result := range client.DoMulti(ctx, cmds...) {
		replies[i].RedisMessage, replies[i].Err = c.message(result)
	}
	return replies
}

func (c *Conn) message(result rueidis.RedisResult) (rueidis.RedisMessage, error) {
	m, err := result.ToMessage()
	return m, c.explain(err)
}

// Away returns why the engine cannot be used, as far as its heartbeat tells, or
// nil. It costs one atomic load.
func (c *Conn) Away() error {
	if err := c.away.Load(); err != nil {
		return *err
	}
	return nil
}

// Close ends the connection. Calls after it fail.
func (c *Conn) Close() { c.client.Close() }
