package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

var start = time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)

// clock is the time of a test.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// delivery is one request that a receiver got.
type delivery struct {
	id, body string
	event    event
	at       time.Time // of the clock
}

// receiver is a webhook receiver that checks all that it gets. answer says what it does
// with a request, before which it may take its time; nil is 204.
type receiver struct {
	t      *testing.T
	url    string
	secret []byte
	clock  *clock

	mu     sync.Mutex
	answer func(w http.ResponseWriter, r *http.Request, d delivery)
	got    []delivery // all requests
	taken  []delivery // those answered 2xx
}

var testKey = []byte("0123456789abcdef0123456789abcdef")

func secretText(key []byte) string { return "whsec_" + base64.StdEncoding.EncodeToString(key) }

func newReceiver(t *testing.T, c *clock) *receiver {
	r := &receiver{t: t, secret: testKey, clock: c}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	r.url = server.URL + "/hook?token=sesame"
	return r
}

func (r *receiver) answers(answer func(w http.ResponseWriter, r *http.Request, d delivery)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

func status(code int) func(http.ResponseWriter, *http.Request, delivery) {
	return func(w http.ResponseWriter, _ *http.Request, _ delivery) { w.WriteHeader(code) }
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	d := delivery{id: req.Header.Get("webhook-id"), body: string(body), at: r.clock.now()}
	if err := r.verify(req, body); err != nil {
		r.t.Errorf("%s: %v", body, err)
	}
	if err := json.Unmarshal(body, &d.event); err != nil {
		r.t.Errorf("%s: %v", body, err)
	}
	r.mu.Lock()
	r.got = append(r.got, d)
	answer := r.answer
	r.mu.Unlock()
	if answer == nil {
		answer = status(http.StatusNoContent)
	}
	seen := &statusWriter{w, http.StatusOK}
	answer(seen, req, d)
	if seen.status/100 == 2 {
		r.mu.Lock()
		r.taken = append(r.taken, d)
		r.mu.Unlock()
	}
}

// verify is what a receiver does, by the text of the standard.
func (r *receiver) verify(req *http.Request, body []byte) error {
	seconds, err := strconv.ParseInt(req.Header.Get("webhook-timestamp"), 10, 64)
	if err != nil || req.Method != http.MethodPost || req.Header.Get("Content-Type") != "application/json" {
		return fmt.Errorf("%s %v", req.Method, req.Header)
	}
	if off := r.clock.now().Sub(time.Unix(seconds, 0)); off < -time.Second || off > maxAge*2/3 { // the clock moves on while it is on its way
		return fmt.Errorf("its time is off by %s", off)
	}
	mac := hmac.New(sha256.New, r.secret)
	fmt.Fprintf(mac, "%s.%d.%s", req.Header.Get("webhook-id"), seconds, body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	if !slices.Contains(strings.Fields(req.Header.Get("webhook-signature")), want) {
		return fmt.Errorf("the signature is %q, want %s", req.Header.Get("webhook-signature"), want)
	}
	return nil
}

// deliveries returns all requests, and those that were taken.
func (r *receiver) deliveries() (got, taken []delivery) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got), slices.Clone(r.taken)
}

func (r *receiver) hook(t *testing.T, events ...string) Hook {
	t.Helper()
	u, err := url.Parse(r.url)
	if err != nil {
		t.Fatal(err)
	}
	return Hook{URL: u, Secrets: []Secret{{r.secret}}, Events: events}
}

// world is a store with senders.
type world struct {
	t      *testing.T
	clock  *clock
	store  keystore.Store
	counts Counts
	log    *zap.Logger
	logged *observer.ObservedLogs
	bound  int
	s      *Senders
	keys   int
}

const quick = 3 * time.Millisecond

func newWorld(t *testing.T, c *clock) *world {
	t.Helper()
	b, err := keystore.OpenBolt(filepath.Join(t.TempDir(), "keys.db"))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, clock: c, store: b, bound: maxWaiting}
	core, logged := observer.New(zapcore.DebugLevel)
	w.log, w.logged = zap.New(core), logged
	t.Cleanup(func() {
		if w.s != nil {
			w.s.Close()
		}
		_ = b.Close()
	})
	return w
}

// serve begins to send, or goes on with other webhooks.
func (w *world) serve(hooks ...Hook) {
	if w.s == nil {
		w.s = newSenders(&mortal{Store: w.store}, w.log, w.clock.now, &w.counts, quick, w.bound)
	}
	w.s.Serve(new(int), hooks)
}

// end stops the senders as the end of a process does.
func (w *world) end() {
	w.s.Close()
	w.s = nil
}

func (w *world) by() keystore.Actor {
	return keystore.Actor{At: w.clock.now(), Via: "api 203.0.113.9:4711", By: "ada"}
}

func (w *world) newKey() apikey.Key {
	w.keys++
	id, err := apikey.ParseID(fmt.Sprintf("%012d", w.keys))
	if err != nil {
		w.t.Fatal(err)
	}
	k := apikey.Key{
		ID: id, Prefix: apikey.Prefix("patra", id), Hash: apikey.Hash{byte(w.keys), byte(w.keys >> 8), 1}, Workspace: "acme",
		Name: "Ada's own", Description: "of Ada Lovelace", Scopes: []string{"posts:read"}, CreatedAt: w.clock.now(),
	}
	if err := k.Normalize(); err != nil {
		w.t.Fatal(err)
	}
	return k
}

func (w *world) create() apikey.Key {
	w.t.Helper()
	k := w.newKey()
	if err := w.store.Create(k, w.by()); err != nil {
		w.t.Fatal(err)
	}
	return k
}

func (w *world) update(id apikey.ID, action, reason string, edit func(*apikey.Key)) {
	w.t.Helper()
	by := w.by()
	by.Reason = reason
	if _, err := w.store.Update(id, action, by, func(k *apikey.Key) error { edit(k); return nil }); err != nil {
		w.t.Fatal(err)
	}
}

// patience is how long a test waits for what has to come.
const patience = 90 * time.Second

// until waits for something that comes by itself.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(quick) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s", what, patience)
		}
	}
}

// await is until with a clock that stands still, unless the machine was so slow that an
// attempt took too long: the next one is made later.
func (w *world) await(what string, done func() bool) {
	w.t.Helper()
	until(w.t, what, func() bool {
		if w.counts.Attempts(TimedOut) > 0 {
			w.clock.add(time.Second)
		}
		return done()
	})
}

// idle waits until nothing is waiting and the outbox is empty.
func (w *world) idle(h Hook) {
	w.t.Helper()
	w.await("all is delivered", func() bool { return w.isIdle(h) })
}

func (w *world) isIdle(h Hook) bool {
	w.t.Helper()
	box, _, err := w.store.OpenOutbox(h.Name(), w.s.holder, w.clock.now())
	if err != nil {
		w.t.Fatal(err)
	}
	_, last, err := w.store.AuditAfter(box.Place, 1)
	return err == nil && last == box.Place && len(box.Messages) == 0
}

// kill ends the senders as kill -9 does: nothing that is not in the store by then gets
// there, whatever they still try.
func (w *world) kill() {
	w.s.store.(*mortal).dead.Store(true)
	w.s.Close()
	w.s = nil
}

// mortal is the store of one process.
type mortal struct {
	keystore.Store
	dead  atomic.Bool
	loses atomic.Bool // the next change is refused as that of somebody else
}

func (m *mortal) LeaveOutbox(name, holder string) error {
	if m.dead.Load() {
		return keystore.ErrNotWritten
	}
	return m.Store.LeaveOutbox(name, holder)
}

func (m *mortal) ChangeOutbox(name, holder string, c keystore.OutboxChange) error {
	switch {
	case m.loses.Swap(false):
		return keystore.ErrOutboxLost
	case m.dead.Load():
		return keystore.ErrNotWritten
	}
	return m.Store.ChangeOutbox(name, holder, c)
}
