// Package client calls the admin API of package adminapi for the command.
//
// A [Client] finds out on its first call where to connect to: to the admin
// endpoint of a running Caddy, over TCP or a Unix socket, or to a store file that
// no process holds. In the second case it opens the file and serves the API to
// itself, without a network, so that both ways give the same answers. See
// [Place].
//
// [Client.Call] sends and receives JSON. A call that a reload cut off is sent
// again where that is safe, see again.go. [Client.Send] streams, for backups,
// exports and imports. A refusal by the server is a [*RefusalError] with the
// server's own words. If no answer came, the error says so, and whether a change
// may have been made nevertheless.
//
// Calls that may take long have no fixed timeout. They end when nothing has moved
// for a while, see stallWatch.
package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/socialpatra/keygate/adminapi"
)

// How long the command waits: for an answer, for a connection, and, in a call
// that may take long, for the next bytes.
const (
	callTimeout   = 10 * time.Second
	dialTimeout   = 5 * time.Second
	expectTimeout = time.Second // for the server to ask for the body
	stallTimeout  = 5 * time.Minute
)

// maxAnswer is the largest answer that the command reads, in bytes: a page of
// keys in which every setting is as long as possible.
const maxAnswer = 64 << 20

// Client calls the admin API of a running Caddy, or of a store in this process.
// It connects on the first call.
type Client struct {
	// Find returns where to connect to.
	Find func() (Place, error)

	Now        func() time.Time                 // the clock of a store in this process
	Warn       func(format string, args ...any) // prints a warning
	MakesStore bool                             // create the store file if it does not exist
	TakesLong  bool                             // calls may last as long as something moves
	Silent     bool                             // do not warn about damage when opening a store
	OnlyReads  bool                             // no call changes anything, whatever its method and path
	By         *string                          // who makes changes; nil: nobody in particular

	link *link // nil before the first call
}

// Close closes the connection or the store.
func (c *Client) Close() error {
	if c.link == nil {
		return nil
	}
	return c.link.close()
}

func (c *Client) connect() error {
	if c.link != nil {
		return nil
	}
	place, err := c.Find()
	if err != nil {
		return err
	}
	if place.DB == "" {
		c.link = dial(place)
		return nil
	}
	c.link, err = openOffline(place.DB, c)
	return err
}

// Call sends in as JSON, unless it is nil, and decodes the answer into out,
// unless that is nil. If the server refuses, the error has its words.
func (c *Client) Call(ctx context.Context, method, path string, in, out any) error {
	var sent Payload
	if in != nil {
		encoded, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("writing the request: %w", err)
		}
		sent = Payload{ContentType: "application/json", held: encoded}
	}
	resp, err := c.Send(ctx, method, path, sent)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(out); err != nil {
		return c.Interrupted(c.mayChange(method, path), err)
	}
	return nil
}

// Payload is the body of a request. The zero Payload is no body.
type Payload struct {
	ContentType string
	Body        io.Reader
	Again       func() (io.ReadCloser, error) // returns the body from its start; nil if that is impossible
	Progress    func(done, all int)           // called with the progress of an import; nil: do not ask for it

	held []byte // the whole body, in place of Body
}

// Send returns a successful answer, which the caller must close.
func (c *Client) Send(ctx context.Context, method, path string, sent Payload) (*http.Response, error) {
	if err := c.connect(); err != nil {
		return nil, err
	}
	var watch *stallWatch
	caller := c.link.http
	if c.TakesLong {
		watch = watchStalls(ctx, stallTimeout)
		ctx = watch.ctx
		patient := *caller
		patient.Timeout = 0
		caller = &patient
		if sent.Body != nil {
			sent.Body = watch.request(sent.Body)
		}
	}
	resp, err := c.exchange(ctx, caller, method, path, sent, watch)
	if err != nil {
		if watch != nil {
			watch.stop()
		}
		return nil, err
	}
	if watch != nil {
		resp.Body = watch.answer(resp.Body)
	}
	if resp.Header.Get(adminapi.ReplicatedHeader) == "false" {
		c.Warn("warning: it is done, but not all replicas that the store asks for had it in time; a failover of the engine now may undo it")
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		defer resp.Body.Close()
		return nil, c.link.refusal(resp)
	}
	return resp, nil
}

// exchange sends a request and, if it is cut off and that is safe, once more.
func (c *Client) exchange(ctx context.Context, caller *http.Client, method, path string, sent Payload, watch *stallWatch) (*http.Response, error) {
	for again := c.link.network; ; again = false {
		req, err := http.NewRequestWithContext(ctx, method, c.link.url+path, sent.Body)
		if err != nil {
			return nil, fmt.Errorf("making the request: %w", err)
		}
		if sent.ContentType != "" {
			req.Header.Set("Content-Type", sent.ContentType)
		}
		if sent.Again != nil {
			req.GetBody = sent.Again
		}
		if sent.Progress != nil {
			req = askProgress(req, sent.Progress, watch)
		}
		if c.By != nil && method != http.MethodGet {
			req.Header.Set(adminapi.ByHeader, url.PathEscape(*c.By))
		}
		if c.link.origin != "" {
			req.Header.Set("Origin", c.link.origin)
		}
		var body *heldBody
		if sent.held != nil {
			body = hold(req, sent.held)
		}
		resp, err := caller.Do(req)
		if err == nil {
			return resp, nil
		}
		became := read
		if c.mayChange(method, path) {
			became = body.withhold()
		}
		if again && cut(ctx, err) && (became != unknown || setsState(method, path)) {
			continue
		}
		if watch != nil {
			err = watch.cause(err)
		}
		return nil, c.link.failure(became, err)
	}
}

// Interrupted explains why the answer to a request that was sent is incomplete.
func (c *Client) Interrupted(changing bool, err error) error {
	became := read
	if changing {
		became = unknown
	}
	return c.link.failure(became, fmt.Errorf("reading its answer: %w", err))
}

// failure explains why a request got no answer, and what became of it.
func (l *link) failure(became fate, err error) error {
	if urlErr, ok := errors.AsType[*url.Error](err); ok {
		err = urlErr.Err // drops the method and URL
	}
	if opErr, ok := errors.AsType[*net.OpError](err); ok && opErr.Op == "dial" {
		if errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("this user may not speak to Caddy at %s; run the command as the user that Caddy runs as", l.place)
		}
		return &unreachableError{l.place}
	}
	var timeout interface{ Timeout() bool }
	if errors.Is(err, errStalled) {
		err = errStalled
	} else if errors.As(err, &timeout) && timeout.Timeout() {
		err = fmt.Errorf("no answer came within %s", callTimeout)
	}
	return fmt.Errorf("speaking to %s: %w%s", l.place, err, became)
}

// unreachableError says that nobody accepts connections.
type unreachableError struct{ place string }

func (e *unreachableError) Error() string {
	return fmt.Sprintf("no Caddy answers at %s: start it, name it with --address or --config, or name a store that nobody serves with --db FILE", e.place)
}

// IsUnreachable reports whether err says that nobody accepts connections at the
// place, in contrast to somebody who answers badly or not at all.
func IsUnreachable(err error) bool {
	_, ok := errors.AsType[*unreachableError](err)
	return ok
}

// RefusalError is the refusal of a request by the admin API.
type RefusalError struct {
	Status int
	Reason string
	Lines  []adminapi.ImportError // of an import
}

func (e *RefusalError) Error() string { return e.Reason }

// refusal reads the error in an answer. Caddy and Keygate write JSON. Any other
// answer means that something else is listening there.
func (l *link) refusal(resp *http.Response) error {
	var answer struct {
		Error  string                 `json:"error"`
		Errors []adminapi.ImportError `json:"errors"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&answer); err == nil && answer.Error != "" {
		return &RefusalError{resp.StatusCode, answer.Error, answer.Errors}
	}
	if resp.StatusCode == http.StatusNotFound {
		return fmt.Errorf("the Caddy at %s was built without keygate; build one with: xcaddy build --with github.com/socialpatra/keygate", l.place)
	}
	return fmt.Errorf("what answers at %s is not Caddy's admin API: it says HTTP %d", l.place, resp.StatusCode)
}
