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
	"github.com/socialpatra/keygate/caddymodule/lasting"
	"github.com/socialpatra/keygate/caddymodule/response"
	"github.com/socialpatra/keygate/internal/headers"
	"github.com/socialpatra/keygate/ratelimit"
)

// answer holds all per-request state in one struct, so that a request costs one
// allocation.
type answer struct {
	handler *Handler
	request *http.Request
	origin  string // for CORS to echo; "": none

	opened     bool  // a key let the request pass to the handlers behind
	known      bool  // an authenticated key is the client's
	expires    int64 // when it expires, in Unix seconds; 0: not soon
	keyed      bool  // caps and limits belong to an authenticated key
	caps       ratelimit.Caps
	limits     ratelimit.Result
	retryAfter int // seconds until the client may try opaque tokens; 0: now, or there are no such tokens

	open     lasting.Request // while a key's request is served
	body     trackedBody
	trusted  bool // the peer is one of Caddy's trusted_proxies
	verdict  verdict
	writer   responseWriter
	taken    headers.Taken
	identity [3]string // values of the headers that name the key
	left     string    // the value of RateLimit; "": not made yet
	values   response.Values
}

// forward passes the request on as the backend may see it. While it is served it
// depends on its key. A public route needs neither key nor store.
func (a *answer) forward(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, d *access.Decision, e *openStore) error {
	id := &a.handler.identity
	rw := &a.writer
	rw.ResponseWriter, rw.answer = w, a
	rw.mayUpgrade = d.Route.WebSocket && asksForWebSocket(r)
	own := a.backendsOwn(r, d)
	id.StripInto(&a.taken, r, a.trusted, rw.mayUpgrade)
	own.restore(r.Header, a.handler.Header)
	a.opened = d.Authenticated
	if d.Authenticated {
		id.Put(r.Header, a.identify(d))
	}
	a.tell(d)
	if d.Authenticated {
		r = a.join(w, r, d, &e.open)
		defer a.leave()
	}
	err := next.ServeHTTP(rw, r)
	if a.open.Leave() {
		return a.end(w, d, err)
	}
	if a.request.Context().Err() != nil {
		return a.abandon(w, err)
	}
	a.takeBack(err != nil)
	if d.Foreign {
		own.restore(r.Header, a.handler.Header)
	}
	if !rw.wroteHeader {
		a.complete(w) // whoever handles the error or ends the answer does not write through rw
	}
	return err
}

// identify makes the values of the headers that name the key. The text of its ID
// and what is left of its limits are new with each request, so they share one piece
// of memory.
func (a *answer) identify(d *access.Decision) *[3]string {
	var buf [208]byte
	b := buf[:0]
	if a.handler.RateLimitHeaders == "on" {
		b = response.AppendLeft(b, &a.limits)
	}
	text := string(append(b, d.ID[:]...))
	a.left = text[:len(b)]
	a.identity = [...]string{d.Grant.Workspace, text[len(b):], d.Grant.Scopes.Joined}
	return &a.identity
}

// abandon ends a request whose client has hung up. The handlers behind may have
// returned although something still reads or writes the headers, as Souin does.
// So the headers are left as they are, and error routes, which share them, must
// not run: the error ends here as a status for the log. If the body was not read
// to its end, nothing else may follow on the connection.
func (a *answer) abandon(w http.ResponseWriter, err error) error {
	if a.body.unread() {
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

// statusHungUp is what Caddy and nginx log for a client that did not wait for the
// answer.
const statusHungUp = 499

// takeBack undoes the changes that forward made to the request, so that handlers
// around Keygate find it as it was sent. After a failure, Caddy's error routes
// may forward the request, with the path that it had before rewrites. So they
// must find neither an identity nor a credential.
func (a *answer) takeBack(failed bool) {
	r := a.request
	a.handler.identity.Unset(r.Header)
	if !failed {
		a.taken.GiveBack(r) // also Connection and Upgrade
		return
	}
	for _, name := range [...]string{"Authorization", "Connection", "Upgrade"} {
		delete(r.Header, name)
	}
}

// wait returns in how many seconds a refused request could pass, or 0 if waiting
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

// backendsOwn are the values of the headers whose credential is the backend's.
type backendsOwn struct{ authorization, key []string }

func (a *answer) backendsOwn(r *http.Request, d *access.Decision) (own backendsOwn) {
	if d.Untouched.Authorization {
		own.authorization = r.Header["Authorization"]
	}
	if name := a.handler.Header; d.Untouched.KeyHeader && name != "" {
		own.key = r.Header[name]
	}
	return own
}

func (o *backendsOwn) restore(h http.Header, keyHeader string) {
	if o.authorization != nil {
		h["Authorization"] = o.authorization
	}
	if o.key != nil {
		h[keyHeader] = o.key
	}
}

// deny answers a refused request, or leaves the answer to handle_errors.
func (a *answer) deny(w http.ResponseWriter, d *access.Decision) error {
	a.refuse(w)
	a.tell(d)
	a.setRefusal(w.Header(), d)
	if a.handler.Errors == "caddy" {
		a.handler.identity.Strip(a.request, a.trusted, false) // handle_errors may proxy the request
		return caddyhttp.Error(d.Reason.Status(), errors.New(d.Reason.String()))
	}
	a.writeProblem(w, d)
	return nil
}

// setRefusal sets the headers that depend on the reason.
func (a *answer) setRefusal(h http.Header, d *access.Decision) {
	if challenge := a.challenge(d); challenge != "" {
		h["Www-Authenticate"] = a.values.Of(challenge + a.handler.metadata)
	}
	if retryAfter := a.wait(d.Reason); retryAfter > 0 {
		h["Retry-After"] = a.values.Of(strconv.Itoa(retryAfter))
	}
	if d.Reason == access.MethodNotAllowed {
		h["Allow"] = a.values.Of(access.RequestMethods)
	}
}

func (a *answer) writeProblem(w http.ResponseWriter, d *access.Decision) {
	h := w.Header()
	body := response.Denial(d, response.Facts{Caps: &a.caps, Limits: &a.limits, RetryAfter: a.retryAfter, Instance: a.verdict.instance})
	h["Content-Type"] = a.values.Of("application/problem+json")
	h["Content-Length"] = a.values.Of(strconv.Itoa(len(body)))
	w.WriteHeader(d.Reason.Status())
	if a.request.Method != http.MethodHead {
		_, _ = w.Write(body) // the client may have gone
	}
}

// refuse sets the headers that every refusal has, and gives the refusal its
// instance.
func (a *answer) refuse(w http.ResponseWriter) {
	a.complete(w)
	h := w.Header()
	h["Cache-Control"] = a.values.Of("no-store")
	a.verdict.instance = response.NewInstance()
	h["Request-Id"] = a.values.Of(a.verdict.instance)
}

// complete adds the missing headers to an answer, just before it is written.
func (a *answer) complete(w http.ResponseWriter) {
	a.setHeaders(w.Header())
	a.closeAfterBody(w)
}

// tooEarly asks the client to repeat the request after the handshake (RFC 8470
// §5.2), as Caddy's own address matchers do. It reveals nothing about the key
// and charges nothing.
func (a *answer) tooEarly(w http.ResponseWriter) error {
	a.refuse(w)
	a.publish(&a.verdict)
	a.handler.identity.Strip(a.request, a.trusted, false)
	return caddyhttp.Error(http.StatusTooEarly, errTooEarly)
}

var errTooEarly = errors.New("the TLS handshake is not complete, so that the request might be a replay")

// setHeaders sets the headers that every response of Keygate or its backend has.
func (a *answer) setHeaders(h http.Header) {
	a.handler.caching.Apply(h, a.opened, &a.values)
	if a.handler.policy.Report && a.verdict.reason == access.Allowed {
		return // the rest is the backend's
	}
	a.handler.cors.Apply(h, a.origin, &a.values)
	if a.keyed && a.handler.RateLimitHeaders == "on" {
		response.SetRateLimit(h, &a.caps, &a.limits, a.left, &a.values)
	}
	if a.known {
		delete(h, "Key-Expires")
	}
	if a.expires != 0 { // a Date of RFC 9651 §3.3.7
		var buf [24]byte
		h["Key-Expires"] = a.values.Of(string(strconv.AppendInt(append(buf[:0], '@'), a.expires, 10)))
	}
}

// challenge returns the WWW-Authenticate header (RFC 6750 §3), or "" for none.
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

// responseWriter adds Keygate's headers to the backend's response. It does so at
// the last moment, so that they replace the backend's own instead of doubling
// them.
type responseWriter struct {
	caddyhttp.ResponseWriterWrapper
	answer      *answer
	wroteHeader bool
	mayUpgrade  bool
	hijacked    bool
	untouched   bool // the backend's headers stay as they are
}

// errEnded is for handlers behind that write to an answer whose key has ended.
var errEnded = errors.New("the key that opened this request has ended")

func (w *responseWriter) WriteHeader(status int) {
	if !w.answer.open.Enter() {
		return
	}
	defer w.answer.open.Exit()
	// These headers do not belong on an informational response, except on 101,
	// after which no other response follows.
	if !w.wroteHeader && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.wroteHeader = true
		if !w.untouched {
			w.answer.complete(w.ResponseWriter)
		}
	}
	w.ResponseWriterWrapper.WriteHeader(status)
}

// begin is for an answer without a status of its own.
func (w *responseWriter) begin() {
	switch {
	case w.wroteHeader:
	case w.untouched: // the server's writer does the same, and tells the type by the body
		w.wroteHeader = true
	default:
		w.WriteHeader(http.StatusOK)
	}
}

func (w *responseWriter) Write(p []byte) (int, error) {
	if !w.answer.open.Enter() {
		return 0, errEnded
	}
	defer w.answer.open.Exit()
	w.begin()
	return w.ResponseWriterWrapper.Write(p)
}

// ReadFrom implements [io.ReaderFrom].
func (w *responseWriter) ReadFrom(r io.Reader) (int64, error) {
	if !w.answer.open.Enter() {
		return 0, errEnded
	}
	defer w.answer.open.Exit()
	w.begin()
	return w.ResponseWriterWrapper.ReadFrom(r)
}

// FlushError is called by [http.ResponseController]. A flush sends the header.
func (w *responseWriter) FlushError() error {
	if !w.answer.open.Enter() {
		return errEnded
	}
	defer w.answer.open.Exit()
	w.begin()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Hijack hands over the connection, only to become a WebSocket.
func (w *responseWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if !w.mayUpgrade {
		return nil, nil, http.ErrNotSupported
	}
	if !w.answer.open.Enter() {
		return nil, nil, errEnded
	}
	defer w.answer.open.Exit()
	conn, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil {
		w.hijacked = true
		w.answer.open.Upgraded(conn)
	}
	return conn, buffered, err
}
