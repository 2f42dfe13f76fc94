package caddymodule

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/ratelimit"
)

// answer is what one response needs to know of its request, and the memory of
// all that a request needs of its own: it is in one piece.
type answer struct {
	handler *Handler
	request *http.Request
	origin  string // to echo for CORS; "": none

	opened     bool // a key let the request pass to what answers it
	keyed      bool // caps and limits are those of an authenticated key
	caps       ratelimit.Caps
	limits     ratelimit.Result
	retryAfter int // seconds until the client may try opaque tokens; 0: now, or there are none

	body     trackedBody
	trusted  bool // the peer is one of Caddy's trusted_proxies
	verdict  verdict
	writer   responseWriter
	taken    takenOff
	identity [3]string // values of the headers that name the key
	values   headerValues
}

// forward passes the request on, as the backend may see it. A WebSocket of a
// key is among the sockets of its store for as long; a public route needs no store.
func (a *answer) forward(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, d *access.Decision, e *openStore) error {
	id := &a.handler.identity
	rw := &a.writer
	rw.ResponseWriter, rw.answer = w, a
	rw.mayUpgrade = d.Route.WebSocket && asksForWebSocket(r)
	own := a.backendsOwn(r, d)
	id.stripInto(&a.taken, r, a.trusted, rw.mayUpgrade)
	if own != nil {
		r.Header["Authorization"] = own
	}
	a.opened = d.Authenticated
	if d.Authenticated {
		id.set(r.Header, d, &a.identity)
	}
	a.tell(d)
	if rw.mayUpgrade && d.Authenticated {
		ctx, s := e.sockets.open(r.Context(), d)
		defer e.sockets.close(s)
		rw.live, rw.socket = &e.sockets, s
		r = r.WithContext(ctx)
	}
	err := next.ServeHTTP(rw, r)
	if a.request.Context().Err() != nil {
		return a.abandon(w, err)
	}
	a.takeBack(err != nil)
	if !rw.wroteHeader {
		a.complete(w) // whoever handles the error, or ends the answer, writes past rw
	}
	return err
}

// abandon ends a request whose client has hung up. The handlers behind may have
// come back although something reads or writes the headers still, as Souin does:
// they stay as they are. So error routes, which share them, must not go on: the
// error ends here, as a status for the log. Where the body was not read to its
// end, nothing else may come on the connection.
func (a *answer) abandon(w http.ResponseWriter, err error) error {
	if a.body.ReadCloser != nil && !a.body.complete.Load() {
		panic(http.ErrAbortHandler)
	}
	if err != nil && !a.writer.wroteHeader {
		status := statusHungUp
		var withStatus caddyhttp.HandlerError
		if errors.As(err, &withStatus) && withStatus.StatusCode != 0 {
			status = withStatus.StatusCode
		}
		w.WriteHeader(status)
	}
	return nil
}

// statusHungUp is what Caddy and nginx log for a client that did not wait.
const statusHungUp = 499

// takeBack ends what forward has made of the request. Handlers around Keygate find
// it as it was sent; but Caddy's error routes may send it on, with the path that
// it had before rewrites, so that they find neither an identity nor a credential.
func (a *answer) takeBack(failed bool) {
	r := a.request
	a.handler.identity.unset(r.Header)
	if !failed {
		a.taken.giveBack(r) // Connection and Upgrade, too
		return
	}
	for _, name := range [...]string{"Authorization", "Connection", "Upgrade"} {
		delete(r.Header, name)
	}
}

// wait returns in how many seconds a refused request could pass; 0 where waiting
// does not help.
func (a *answer) wait(reason access.Reason) int {
	switch reason {
	case access.RateLimited, access.QuotaExceeded:
		return a.limits.RetryAfter
	case access.TooManyFailures:
		return a.retryAfter
	default:
		return 0
	}
}

// backendsOwn returns the Authorization field that is for the backend: one of
// another scheme, beside a key in the configured header. access refuses all
// others there.
func (a *answer) backendsOwn(r *http.Request, d *access.Decision) []string {
	if !d.Authenticated || len(r.Header[a.handler.Header]) == 0 {
		return nil
	}
	return r.Header["Authorization"]
}

// deny answers a refused request, or leaves that to handle_errors.
func (a *answer) deny(w http.ResponseWriter, d *access.Decision) error {
	h := w.Header()
	a.refuse(w)
	a.tell(d)
	if challenge := a.challenge(d); challenge != "" {
		h["Www-Authenticate"] = a.values.of(challenge)
	}
	if retryAfter := a.wait(d.Reason); retryAfter > 0 {
		h["Retry-After"] = a.values.of(strconv.Itoa(retryAfter))
	}
	if d.Reason == access.MethodNotAllowed {
		h["Allow"] = a.values.of(access.RequestMethods)
	}
	if a.handler.Errors == "caddy" {
		a.handler.identity.strip(a.request, a.trusted, false) // handle_errors may proxy it
		return caddyhttp.Error(d.Reason.Status(), errors.New(d.Reason.String()))
	}
	body := problemBody(d, a)
	h["Content-Type"] = a.values.of("application/problem+json")
	h["Content-Length"] = a.values.of(strconv.Itoa(len(body)))
	w.WriteHeader(d.Reason.Status())
	if a.request.Method != http.MethodHead {
		_, _ = w.Write(body) // the client may be gone; there is nobody to tell
	}
	return nil
}

// refuse sets what every refusal carries, and gives it the instance that it is
// known by.
func (a *answer) refuse(w http.ResponseWriter) {
	a.complete(w)
	h := w.Header()
	h["Cache-Control"] = a.values.of("no-store")
	a.verdict.instance = newInstance()
	h["Request-Id"] = a.values.of(a.verdict.instance)
}

// complete adds to the header of an answer what it lacks, right before it is
// written.
func (a *answer) complete(w http.ResponseWriter) {
	a.setHeaders(w.Header())
	a.closeAfterBody(w)
}

// tooEarly asks for the request again after the handshake (RFC 8470 §5.2), as
// Caddy's own matchers of addresses do. It tells nothing of the key, and charges
// none.
func (a *answer) tooEarly(w http.ResponseWriter) error {
	a.refuse(w)
	a.publish(&a.verdict)
	a.handler.identity.strip(a.request, a.trusted, false)
	return caddyhttp.Error(http.StatusTooEarly, errTooEarly)
}

var errTooEarly = errors.New("the TLS handshake is not complete, so that the request might be a replay")

// setHeaders sets what every response of Keygate or its backend carries.
func (a *answer) setHeaders(h http.Header) {
	a.handler.caching.apply(h, a.opened, &a.values)
	a.handler.cors.apply(h, a.origin, &a.values)
	if a.keyed && a.handler.RateLimitHeaders == "on" {
		setRateLimit(h, &a.caps, &a.limits, &a.values)
	}
}

// challenge returns the WWW-Authenticate field (RFC 6750 §3), "" for none.
func (a *answer) challenge(d *access.Decision) string {
	switch d.Reason {
	case access.MissingKey:
		return `Bearer realm="keygate"`
	case access.MalformedRequest:
		return `Bearer realm="keygate", error="invalid_request"`
	case access.InvalidKey, access.KeyRevoked, access.KeyDisabled, access.KeyExpired:
		return `Bearer realm="keygate", error="invalid_token"`
	case access.InsufficientScope:
		return `Bearer realm="keygate", error="insufficient_scope", scope="` + strings.Join(d.Route.Scopes.Nearest(d.Grant.Scopes), " ") + `"`
	default:
		return ""
	}
}

// responseWriter puts Keygate's headers on the backend's response, at the last
// moment, so that the backend's own do not double them.
type responseWriter struct {
	caddyhttp.ResponseWriterWrapper
	answer      *answer
	wroteHeader bool
	mayUpgrade  bool

	live   *sockets // of a WebSocket that hangs on a key; otherwise nil
	socket *socket
}

func (w *responseWriter) WriteHeader(status int) {
	// An informational response is not the one that these headers are for,
	// except 101, after which there is no other.
	if !w.wroteHeader && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.wroteHeader = true
		w.answer.complete(w.ResponseWriter)
	}
	w.ResponseWriterWrapper.WriteHeader(status)
}

func (w *responseWriter) Write(p []byte) (int, error) {
	if !w.wroteHeader {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriterWrapper.Write(p)
}

// ReadFrom implements [io.ReaderFrom].
func (w *responseWriter) ReadFrom(r io.Reader) (int64, error) {
	if !w.wroteHeader {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriterWrapper.ReadFrom(r)
}

// FlushError is what [http.ResponseController] calls. A flush sends the header.
func (w *responseWriter) FlushError() error {
	if !w.wroteHeader {
		w.WriteHeader(http.StatusOK)
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Hijack gives the connection away, to become a WebSocket and nothing else.
func (w *responseWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if !w.mayUpgrade {
		return nil, nil, http.ErrNotSupported
	}
	conn, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil && w.socket != nil {
		w.live.upgraded(w.socket, conn)
	}
	return conn, buffered, err
}
