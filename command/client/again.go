package client

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"

	"github.com/socialpatra/keygate/adminapi"
)

// A reload gives Caddy new servers. The old ones close all connections of which
// they have not read a whole head by then, with the calls in them. The client
// cannot tell this from a Caddy that made the change and broke then. So a call
// without an answer is sent once more if one of two things is known:
//
//   - It changes nothing, or nothing that is so already.
//   - It was not made: its body was not sent. A body is sent once the server
//     asks for it (RFC 9110 section 10.1.1), or after [expectTimeout]. The API
//     makes no change before it has read the body.
//
// What becomes of any other call is unknown, and the error says so.

// setsState reports whether a call is no change the second time.
func setsState(method, path string) bool {
	action := path[strings.LastIndexByte(path, '/')+1:]
	return method == http.MethodPost && (action == "revoke" || action == "disable" || action == "enable")
}

// mayChange reports whether a request whose answer is lost may have changed
// something.
func (c *Client) mayChange(method, path string) bool {
	return !c.OnlyReads && method != http.MethodGet && path != adminapi.ExplainPath
}

// cut reports whether err is that a connection ended before there was an answer,
// for no fault of the client.
func cut(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	if netErr, ok := errors.AsType[net.Error](err); ok && netErr.Timeout() {
		return false
	}
	opErr, ok := errors.AsType[*net.OpError](err)
	return !ok || opErr.Op != "dial"
}

// fate is what became of a call without an answer, as the error says it.
type fate string

const (
	read      fate = "" // it was none to change anything
	unchanged fate = "; nothing was changed"
	unknown   fate = "; the change may have been made nevertheless"
)

// heldBody is the body of a call that waits for the server to ask for it.
type heldBody struct {
	mu       sync.Mutex
	content  *bytes.Reader
	sent     bool // at least in part, for all that is known
	withheld bool // for good
}

// hold makes content the body of a request.
func hold(r *http.Request, content []byte) *heldBody {
	body := &heldBody{content: bytes.NewReader(content)}
	r.Body = body
	r.ContentLength = int64(len(content))
	r.GetBody = func() (io.ReadCloser, error) { // for the rehearsal of a store that is not made yet, and for the transport
		return io.NopCloser(bytes.NewReader(content)), body.markSent()
	}
	r.Header.Set("Expect", "100-continue")
	return body
}

var errWithheld = errors.New("the call has ended")

func (b *heldBody) Read(p []byte) (int, error) {
	if err := b.markSent(); err != nil {
		return 0, err
	}
	return b.content.Read(p)
}

// Close does nothing: there is nothing to let go of.
func (b *heldBody) Close() error { return nil }

func (b *heldBody) markSent() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.withheld {
		return errWithheld
	}
	b.sent = true
	return nil
}

// withhold sees to it that nothing of the body is sent any more, and returns what
// became of the change. One without such a body, a nil b, is on its way at once.
func (b *heldBody) withhold() fate {
	if b == nil {
		return unknown
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.withheld = true
	if b.sent {
		return unknown
	}
	return unchanged
}
