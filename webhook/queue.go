package webhook

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/socialpatra/keygate/keystore"
)

const (
	maxAge = 72 * time.Hour // after it a message is dropped

	firstWait = 5 * time.Second
	maxWait   = time.Hour        // of one message after many failures
	maxProbe  = 5 * time.Minute  // between attempts at a receiver that is down
	freshWait = 30 * time.Second // the same, while a message is there that was never tried
	maxAsked  = time.Hour        // of a Retry-After

	atOnce = 4 // attempts of one webhook at the same time

	// downAfter is how many different messages fail in a row where it is the receiver
	// that is down, and not a message that it cannot take.
	downAfter = 3
)

// queue decides which message of one webhook is tried when. Each message that failed
// waits longer each time, and holds up no other. Where several fail and none succeeds the
// receiver is down: then one message at a time probes it, each time another, and all
// that failed meanwhile are tried as soon as one is delivered.
type queue struct {
	items  []*item // by name
	flying int

	failed    int       // messages that failed since the last delivery
	probes    int       // failures since the receiver is down
	nextProbe time.Time // no attempt before it while the receiver is down
	nextFresh time.Time // no first attempt before it while the receiver is down
	asked     time.Time // no attempt before it, as the receiver said
	failing   time.Time // since when all attempts fail; zero if they do not
}

type item struct {
	keystore.Message
	tries  int
	next   time.Time // not tried before it
	flying bool
	failed bool // since the last delivery
}

func byName(x *item, name keystore.MessageName) int {
	switch {
	case x.Seq != name.Seq && x.Seq < name.Seq, x.Seq == name.Seq && x.Kind < name.Kind:
		return -1
	case x.MessageName == name:
		return 0
	default:
		return 1
	}
}

func (q *queue) find(name keystore.MessageName) (int, bool) {
	return slices.BinarySearchFunc(q.items, name, byName)
}

// set makes messages the content of the queue. What is known of those that were in it
// before stays.
func (q *queue) set(messages []keystore.Message) {
	items := make([]*item, 0, len(messages))
	for _, m := range messages {
		if i, ok := q.find(m.MessageName); ok {
			items = append(items, q.items[i])
		} else {
			items = append(items, &item{Message: m})
		}
	}
	q.items = items
	q.failed = 0
	for _, it := range items {
		if it.failed {
			q.failed++
		}
	}
	q.settle()
}

func (q *queue) add(messages []keystore.Message) {
	for _, m := range messages {
		if i, ok := q.find(m.MessageName); !ok {
			q.items = slices.Insert(q.items, i, &item{Message: m})
		}
	}
}

// remove takes out a message, which may be in flight.
func (q *queue) remove(name keystore.MessageName) {
	i, ok := q.find(name)
	if !ok {
		return
	}
	if q.items[i].failed {
		q.failed--
	}
	q.items = slices.Delete(q.items, i, i+1)
	q.settle()
}

// settle ends the state of a receiver that is down where nothing is left that says so.
func (q *queue) settle() {
	if q.failed < downAfter {
		q.probes, q.nextProbe, q.nextFresh = 0, time.Time{}, time.Time{}
	}
	if len(q.items) == 0 {
		q.failing = time.Time{}
	}
}

func (q *queue) down() bool { return q.failed >= downAfter }

// next returns the message to be tried now, or nil.
func (q *queue) next(now time.Time) *item {
	limit := atOnce
	if q.down() {
		limit = 1
	}
	if q.flying >= limit || now.Before(q.asked) {
		return nil
	}
	var best *item
	for _, it := range q.items {
		switch {
		case it.flying:
		case q.down():
			if best == nil || it.tries <= best.tries {
				best = it // the newest: those before it may be what cannot be taken
			}
		case !now.Before(it.next):
			return it
		}
	}
	switch {
	case best == nil, best.tries > 0 && now.Before(q.nextProbe), best.tries == 0 && now.Before(q.nextFresh):
		return nil
	default:
		return best
	}
}

func (q *queue) start(it *item) {
	it.flying = true
	q.flying++
}

// land notes that an attempt is over; more is said by delivered or missed.
func (q *queue) land(name keystore.MessageName) *item {
	q.flying--
	i, ok := q.find(name)
	if !ok {
		return nil // it was dropped meanwhile
	}
	q.items[i].flying = false
	return q.items[i]
}

// delivered notes a success, which shows that the receiver is there.
func (q *queue) delivered(name keystore.MessageName, now time.Time) {
	down := q.down()
	for _, it := range q.items {
		if it.failed && down {
			it.next = now
		}
		it.failed = false
	}
	q.failed, q.failing = 0, time.Time{}
	q.remove(name)
}

// missed notes a failure. after is what the receiver asked for, 0 if nothing; all says
// that it asked for it for every message.
func (q *queue) missed(it *item, now time.Time, after time.Duration, all bool) {
	after = min(max(after, 0), maxAsked)
	it.tries++
	it.next = now.Add(max(after, jitter(growing(it.tries, maxWait))))
	if !it.failed {
		it.failed = true
		q.failed++
	}
	if q.failing.IsZero() {
		q.failing = now
	}
	if q.down() {
		q.probes++
		wait := jitter(growing(q.probes, maxProbe))
		q.nextProbe, q.nextFresh = now.Add(wait), now.Add(min(wait, freshWait))
	}
	if until := now.Add(after); (all || q.down()) && until.After(q.asked) {
		q.asked = until
	}
}

// growing is the wait after the nth failure: firstWait, and twice as long each time.
func growing(n int, most time.Duration) time.Duration {
	wait := firstWait
	for range n - 1 {
		if wait *= 2; wait >= most {
			return most
		}
	}
	return wait
}

// jitter takes up to a tenth off a wait, so that not all come at the same moment.
func jitter(d time.Duration) time.Duration { return d - rand.N(d/10+1) } //nolint:gosec // it is no secret

// tooOld returns the messages that are too old to be delivered.
func (q *queue) tooOld(now time.Time) (names []keystore.MessageName) {
	for _, it := range q.items {
		if !it.flying && now.Sub(it.At) > maxAge {
			names = append(names, it.MessageName)
		}
	}
	return names
}

// tooMany returns the oldest messages of all that there are with some more, as many as
// are above a bound.
func (q *queue) tooMany(more []keystore.Message, bound int) (names []keystore.MessageName) {
	excess := len(q.items) + len(more) - bound
	for _, it := range q.items {
		if len(names) >= excess {
			return names
		}
		if !it.flying {
			names = append(names, it.MessageName)
		}
	}
	for i := 0; i < len(more) && len(names) < excess; i++ {
		names = append(names, more[i].MessageName)
	}
	return names
}
