package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"syscall"
	"time"

	"github.com/socialpatra/keygate/keystore"
)

// attemptTimeout is how long one attempt takes at most.
const attemptTimeout = 10 * time.Second

// bodyTimeout is for how long the body of an answer is read, which tells nothing.
const bodyTimeout = 500 * time.Millisecond

// attempt is what came of one attempt to deliver a message.
type attempt struct {
	name    keystore.MessageName
	outcome string
	problem string        // for the log, "" if it was delivered
	after   time.Duration // what the receiver asked to wait, 0 if nothing
	all     bool          // it asked so for all messages
}

// newTransport makes connections for one webhook alone, so that no other waits for
// them. Over http it connects to this machine only, whatever a name stands for.
func newTransport(scheme string) *http.Transport {
	dialer := &net.Dialer{Timeout: attemptTimeout}
	transport := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    attemptTimeout,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    atOnce,
		IdleConnTimeout:        time.Minute,
		DisableCompression:     true,
		MaxResponseHeaderBytes: 64 << 10,
	}
	if scheme == "http" {
		transport.Proxy = nil
		dialer.Control = onlyLoopback
	}
	transport.DialContext = dialer.DialContext
	return transport
}

var errNotLoopback = errors.New("the name stands for another machine, which is reached over https only")

func onlyLoopback(_, address string, _ syscall.RawConn) error {
	if to, err := netip.ParseAddrPort(address); err != nil || !to.Addr().Unmap().IsLoopback() {
		return errNotLoopback
	}
	return nil
}

// try sends a message once. It follows no redirect: a body goes to no other place than
// the config says.
func (h *Hook) try(ctx context.Context, transport http.RoundTripper, m *keystore.Message, at time.Time) attempt {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	a := attempt{name: m.MessageName, outcome: Failed}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL.String(), bytes.NewReader(m.Body))
	if err != nil {
		a.problem = "the request cannot be made" // the error has the URL
		return a
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "User-Agent": "Keygate",
		"Webhook-Id": m.ID, "Webhook-Timestamp": strconv.FormatInt(at.Unix(), 10), "Webhook-Signature": sign(h.Secrets, m.ID, at, m.Body),
	} {
		req.Header.Set(name, value)
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		if a.problem = problemOf(err); errors.Is(err, context.DeadlineExceeded) || isTimeout(err) {
			a.outcome, a.problem = TimedOut, fmt.Sprintf("no answer within %s", attemptTimeout)
		}
		return a
	}
	defer resp.Body.Close()
	defer time.AfterFunc(bodyTimeout, cancel).Stop()
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10) // for the connection to be of use again
	if resp.StatusCode/100 == 2 {
		a.outcome = Delivered
		return a
	}
	a.outcome, a.problem = Refused, fmt.Sprintf("it answered %d", resp.StatusCode)
	if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable {
		a.after, a.all = retryAfter(resp.Header.Get("Retry-After"), at), resp.StatusCode == http.StatusTooManyRequests
	}
	return a
}

// retryAfter reads seconds or a date (RFC 9110 §10.2.3).
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return at.Sub(now)
	}
	return 0
}

func isTimeout(err error) bool {
	var timed net.Error
	return errors.As(err, &timed) && timed.Timeout()
}

// problemOf says why there is no answer. What a receiver has sent is not in it: that
// could be anything, and be what it was sent.
func problemOf(err error) string {
	var (
		dial     *net.OpError
		lookup   *net.DNSError
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		invalid  x509.CertificateInvalidError
		verify   *tls.CertificateVerificationError
	)
	switch {
	case errors.Is(err, errNotLoopback):
		return errNotLoopback.Error()
	case errors.As(err, &lookup):
		return "its name is not known: " + lookup.Err
	case errors.As(err, &verify), errors.As(err, &unknown), errors.As(err, &hostname), errors.As(err, &invalid):
		return "its certificate is not trusted"
	case errors.As(err, &dial) && dial.Op == "dial":
		return "there is no connection: " + dial.Err.Error()
	default:
		return "the connection broke, or the answer was no HTTP"
	}
}
