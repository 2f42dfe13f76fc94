package webhook

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// advance moves the clock on in steps until something is so, by far more than any wait,
// and not by so much that messages become too old while the machine has no time for them.
func (w *world) advance(what string, step time.Duration, done func() bool) {
	w.t.Helper()
	most := w.clock.now().Add(maxAge / 4)
	until(w.t, what, func() bool {
		if done() {
			return true
		}
		if w.clock.now().Before(most) {
			w.clock.add(step)
		}
		return false
	})
}

// wantOnce fails unless each of so many messages was sent under an ID of its own, and
// taken once. On a machine that is too slow to answer in time, one that was taken is sent
// again, as the sender cannot know.
func (w *world) wantOnce(r *receiver, n int) {
	w.t.Helper()
	got, taken := r.deliveries()
	bodies, ids := make(map[string]string), make(map[string]bool)
	for _, d := range got {
		if id, ok := bodies[d.body]; ok && id != d.id {
			w.t.Errorf("%s was sent as %s and as %s", d.body, id, d.id)
		}
		bodies[d.body] = d.id
	}
	again := 0
	for _, d := range taken {
		if ids[d.id] {
			again++
		}
		ids[d.id] = true
	}
	if late := w.counts.Attempts(TimedOut); again > int(late) {
		w.t.Errorf("%d were delivered twice, with %d attempts without an answer in time", again, late)
	}
	if len(bodies) != n || len(ids) != n {
		w.t.Errorf("%d messages were sent and %d taken, of %d", len(bodies), len(ids), n)
	}
}

// quickly fails unless one of three runs takes less than half of an attempt's time. A
// machine that stops makes one of them slow, and what waits for an attempt all of them.
func quickly(t *testing.T, what string, run func(*testing.T) time.Duration) {
	t.Helper()
	for n := range 3 {
		var took time.Duration
		if !t.Run(fmt.Sprint(n), func(t *testing.T) { took = run(t) }) || took <= attemptTimeout/2 {
			return
		}
		t.Logf("%s takes %s", what, took)
	}
	t.Errorf("%s takes too long each time", what)
}

// Every way in which a receiver fails for an hour: it gets all in the end.
func TestReceiverFailsForAnHour(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	t.Cleanup(elsewhere.Close)
	redirect := func(code int) func(http.ResponseWriter, *http.Request, delivery) {
		return func(w http.ResponseWriter, r *http.Request, _ delivery) { http.Redirect(w, r, elsewhere.URL, code) }
	}
	hijack := func(answer string) func(http.ResponseWriter, *http.Request, delivery) {
		return func(w http.ResponseWriter, _ *http.Request, _ delivery) {
			conn, _, err := w.(*statusWriter).ResponseWriter.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			w.(*statusWriter).status = 0
			_, _ = conn.Write([]byte(answer))
			_ = conn.Close()
		}
	}
	for name, fails := range map[string]func(http.ResponseWriter, *http.Request, delivery){
		"429": status(429), "500": status(500), "503": status(503), "404": status(404), "400": status(400), "410": status(410), "304": status(304),
		"301": redirect(301), "302": redirect(302), "307": redirect(307), "308": redirect(308),
		"429 with a time": func(w http.ResponseWriter, _ *http.Request, _ delivery) {
			w.Header().Set("Retry-After", "120")
			w.WriteHeader(429)
		},
		"503 with a date": func(w http.ResponseWriter, _ *http.Request, _ delivery) {
			w.Header().Set("Retry-After", start.Add(10*time.Minute).Format(http.TimeFormat))
			w.WriteHeader(503)
		},
		"cut off": hijack(""), "rubbish": hijack("\x00\x01 token=sesame\r\n\r\n"), "half an answer": hijack("HTTP/1.1 200"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &clock{at: start}
			w, r := newWorld(t, c), newReceiver(t, c)
			r.answers(fails)
			w.serve(r.hook(t))
			for range 6 {
				w.create()
			}
			w.advance("an hour is over", 10*time.Second, func() bool { return c.now().After(start.Add(75 * time.Minute)) })
			_, taken := r.deliveries()
			if len(taken) > 0 {
				t.Fatalf("%d were taken by a receiver that fails", len(taken))
			}
			until(t, "the receiver fails", func() bool { return w.s.Waiting() == 6 && len(w.s.Failing()) == 1 })
			if problem := w.s.Failing()[0].Error(); strings.Contains(problem, "sesame") || strings.Contains(problem, "/hook") {
				t.Errorf("health says %s", problem)
			}
			r.answers(nil)
			w.advance("all is taken", time.Minute, func() bool { _, taken := r.deliveries(); return len(taken) >= 6 })
			w.idle(r.hook(t))
			w.wantOnce(r, 6)
			if n := len(w.s.Failing()); n != 0 || w.counts.Dropped() != 0 || w.counts.Attempts(Delivered) != 6 || w.s.Waiting() != 0 {
				t.Errorf("failing %d, dropped %d, delivered %d", n, w.counts.Dropped(), w.counts.Attempts(Delivered))
			}
			w.wantNoSecret()
		})
	}
}

// wantNoSecret fails if a log has a secret or more of a URL than it may.
func (w *world) wantNoSecret() {
	w.t.Helper()
	for _, entry := range w.logged.All() {
		text := entry.Message
		for _, field := range entry.Context {
			text += " " + field.String
			if err, ok := field.Interface.(error); ok {
				text += " " + err.Error()
			}
		}
		for _, secret := range []string{"sesame", "/hook", string(testKey), secretText(testKey)[6:], "v1,", "Lovelace"} {
			if strings.Contains(text, secret) {
				w.t.Errorf("the log says %s", text)
			}
		}
	}
}

// A receiver that is not there, and comes back at the same place.
func TestReceiverIsDown(t *testing.T) {
	c := &clock{at: start}
	w, r := newWorld(t, c), &receiver{t: t, secret: testKey, clock: c}
	address := quietPort(t)
	r.url = "http://" + address
	w.serve(r.hook(t))
	for range 5 {
		w.create()
	}
	w.advance("an hour is over", 10*time.Second, func() bool { return c.now().After(start.Add(75 * time.Minute)) })
	until(t, "attempts have failed", func() bool { return w.counts.Attempts(Failed) > 3 && w.s.Waiting() == 5 })
	listener := listen(t, address)
	again := &http.Server{Handler: r, ReadHeaderTimeout: time.Second}
	go func() { _ = again.Serve(listener) }()
	t.Cleanup(func() { _ = again.Close() })
	w.advance("all is taken", time.Minute, func() bool { _, taken := r.deliveries(); return len(taken) >= 5 })
	w.wantOnce(r, 5)
}

// A receiver that hangs holds up itself alone, and within it only what it hangs on.
func TestReceiverHangs(t *testing.T) {
	quickly(t, "going past what hangs", goPastWhatHangs)
}

func goPastWhatHangs(t *testing.T) (took time.Duration) {
	c := &clock{at: start}
	w, hanging, quickOne := newWorld(t, c), newReceiver(t, c), newReceiver(t, c)
	hung := make(chan struct{})
	first := w.newKey()
	hanging.answers(func(rw http.ResponseWriter, req *http.Request, d delivery) {
		if d.event.Data.Key == first.ID.String() {
			select {
			case <-hung:
			case <-req.Context().Done():
				rw.WriteHeader(500)
				return
			}
		}
		rw.WriteHeader(http.StatusOK)
	})
	w.serve(hanging.hook(t), quickOne.hook(t))
	if err := w.store.Create(first, w.by()); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		w.create()
	}
	began := time.Now()
	w.await("all others are taken", func() bool {
		_, slow := hanging.deliveries()
		_, fast := quickOne.deliveries()
		return len(slow) >= 20 && len(fast) >= 21
	})
	took = time.Since(began)
	close(hung)
	w.await("that one is taken too", func() bool { _, taken := hanging.deliveries(); return len(taken) >= 21 })
	w.wantOnce(hanging, 21)
	w.wantOnce(quickOne, 21)
	return took
}

// An answer that has begun tells enough: its body may take for ever.
func TestReceiverDripsItsBody(t *testing.T) {
	quickly(t, "what drips", takeWhatDrips)
}

func takeWhatDrips(t *testing.T) (took time.Duration) {
	c := &clock{at: start}
	w, r := newWorld(t, c), newReceiver(t, c)
	r.answers(func(rw http.ResponseWriter, req *http.Request, _ delivery) {
		rw.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(rw.(*statusWriter).ResponseWriter).Flush()
		<-req.Context().Done()
	})
	w.serve(r.hook(t))
	began := time.Now()
	for range 8 {
		w.create()
	}
	w.idle(r.hook(t))
	took = time.Since(began)
	// The receiver notes what it took when it sees that nobody reads on.
	w.await("the receiver has noted all", func() bool { _, taken := r.deliveries(); return len(taken) >= 8 })
	w.wantOnce(r, 8)
	return took
}

// What cannot be delivered for three days is dropped, counted and told.
func TestThreeDays(t *testing.T) {
	c := &clock{at: start}
	w, r := newWorld(t, c), newReceiver(t, c)
	r.answers(status(500))
	w.serve(r.hook(t))
	refused := func(n int) {
		t.Helper()
		until(t, "attempts have failed", func() bool { return w.logged.FilterMessageSnippet("was not delivered").Len() == n })
	}
	w.create()
	refused(1)
	c.add(maxAge - time.Hour)
	refused(2)
	w.create()
	refused(3)
	c.add(time.Hour)
	refused(5)
	if n := w.counts.Dropped(); n != 0 || w.s.Waiting() != 2 {
		t.Fatalf("%d were dropped after %s, %d wait", n, c.now().Sub(start), w.s.Waiting())
	}
	c.add(time.Second)
	until(t, "the first is dropped", func() bool { return w.counts.Dropped() == 1 && w.s.Waiting() == 1 })
	if n := w.logged.FilterMessageSnippet("were dropped").Len(); n != 1 {
		t.Errorf("%d lines tell of it", n)
	}
	r.answers(nil)
	w.advance("the other is delivered", time.Minute, func() bool { _, taken := r.deliveries(); return len(taken) >= 1 })
	w.idle(r.hook(t))
	if n := w.counts.Dropped(); n != 1 {
		t.Errorf("%d were dropped", n)
	}
}

// There are never more than so many, and the oldest are dropped, counted and told.
func TestTooMany(t *testing.T) {
	c := &clock{at: start}
	w, r := newWorld(t, c), newReceiver(t, c)
	w.bound = 10
	r.answers(status(500))
	w.serve(r.hook(t))
	for range 8 {
		w.create()
	}
	w.advance("they have failed", time.Second, func() bool { got, _ := r.deliveries(); return len(got) >= 4 && w.s.Waiting() == 8 })
	for range 30 {
		w.create()
	}
	until(t, "the oldest are dropped", func() bool { return w.counts.Dropped() == 28 && w.s.Waiting() == 10 })
	box, _, err := w.store.OpenOutbox(new(r.hook(t)).Name(), w.s.holder, c.now())
	if err != nil || len(box.Messages) != 10 || box.Place != 38 {
		t.Errorf("the outbox has %d messages, %v", len(box.Messages), err)
	}
	r.answers(nil)
	w.advance("the rest is taken", time.Minute, func() bool { _, taken := r.deliveries(); return len(taken) >= 10 && w.s.Waiting() == 0 })
	_, taken := r.deliveries()
	onTheWay := 0 // when they were dropped
	for _, d := range taken {
		if d.event.Data.Key < "000000000028" {
			onTheWay++
		}
	}
	if onTheWay > atOnce {
		t.Errorf("%d were told of which the message was dropped", onTheWay)
	}
	if w.logged.FilterMessageSnippet("too many").Len() == 0 {
		t.Error("nothing tells of it")
	}
}

// An import is told as a whole, in as many messages as it needs.
func TestImport(t *testing.T) {
	c := &clock{at: start}
	w, r := newWorld(t, c), newReceiver(t, c)
	w.serve(r.hook(t))
	const keys = 1750
	var all []apikey.Key
	for range keys {
		all = append(all, w.newKey())
	}
	if err := w.store.CreateAll(all, w.by(), nil); err != nil {
		t.Fatal(err)
	}
	w.create()
	w.idle(r.hook(t))
	_, taken := r.deliveries()
	told, seen := 0, make(map[string]bool) // one that was not answered in time comes again
	for _, d := range taken {
		if d.event.Type == EventImported && !seen[d.id] {
			told += d.event.Data.Keys
		}
		seen[d.id] = true
	}
	if told != keys || len(seen) != 5 { // 499 and 3 times 500 at most, and a creation
		t.Errorf("%d keys were told in %d messages", told, len(seen))
	}
}
