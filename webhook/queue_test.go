package webhook

import (
	"testing"
	"time"

	"github.com/socialpatra/keygate/keystore"
)

func queued(n int) *queue {
	q := new(queue)
	var all []keystore.Message
	for i := range n {
		all = append(all, keystore.Message{MessageName: keystore.MessageName{Seq: uint64(i + 1), Kind: "x"}, At: start})
	}
	q.add(all)
	return q
}

// simulate lets a receiver answer, which takes no time, second by second. ok says
// whether it takes a message. It returns when each was taken, and how often all were
// tried.
func simulate(q *queue, from time.Time, d time.Duration, ok func(seq uint64, at time.Time) bool) (taken map[uint64]time.Time, tries []time.Time) {
	taken = make(map[uint64]time.Time)
	for now := from; now.Before(from.Add(d)); now = now.Add(time.Second) {
		for it := q.next(now); it != nil; it = q.next(now) {
			q.start(it)
			name := it.MessageName
			tries = append(tries, now)
			landed := q.land(name)
			if ok(name.Seq, now) {
				q.delivered(name, now)
				taken[name.Seq] = now
			} else {
				q.missed(landed, now, 0, false)
			}
		}
	}
	return taken, tries
}

// A receiver that is down is asked now and then, and gets all soon after it is back.
func TestQueueOfReceiverThatIsDown(t *testing.T) {
	for _, n := range []int{1, 2, 3, 5, 1000} {
		q, back := queued(n), start.Add(time.Hour)
		taken, tries := simulate(q, start, 2*time.Hour, func(_ uint64, at time.Time) bool { return !at.Before(back) })
		if len(taken) != n || len(q.items) != 0 || !q.failing.IsZero() {
			t.Errorf("of %d, %d are taken and %d left", n, len(taken), len(q.items))
		}
		most := maxProbe + time.Minute
		if n < downAfter {
			most = maxWait // nobody knows that it is not these that cannot be taken
		}
		for seq, at := range taken {
			if at.Sub(back) > most {
				t.Errorf("of %d, message %d is taken %s after the receiver is back", n, seq, at.Sub(back))
			}
		}
		if asked := len(tries) - n; asked > 40+n/10 || asked < 5 {
			t.Errorf("of %d, a receiver that is down is asked %d times in an hour", n, asked)
		}
	}
}

// Messages that a receiver cannot take hold up no others for long, and are not tried
// more often because others are taken.
func TestQueueOfPoison(t *testing.T) {
	for _, poison := range []uint64{1, 2, 10} {
		q, tried := queued(int(poison)), 0
		never := func(seq uint64, _ time.Time) bool {
			if seq <= poison {
				tried++
			}
			return seq > poison
		}
		now := start
		for n := range uint64(200) {
			good := keystore.Message{MessageName: keystore.MessageName{Seq: poison + 1 + n, Kind: "x"}, At: now}
			q.add([]keystore.Message{good})
			taken, _ := simulate(q, now, time.Minute, never)
			if at, ok := taken[good.Seq]; !ok || at.Sub(now) > freshWait+5*time.Second {
				t.Fatalf("with %d that are never taken, another is taken %t, after %s", poison, ok, at.Sub(now))
			}
			now = now.Add(time.Minute)
		}
		if most := int(poison) * 200; tried > most {
			t.Errorf("%d that are never taken were tried %d times in 200 minutes", poison, tried)
		}
		if _, ok := q.find(keystore.MessageName{Seq: 1, Kind: "x"}); !ok || len(q.items) != int(poison) {
			t.Errorf("%d are left", len(q.items))
		}
	}
}

// A receiver is given the time that it asks for, up to a bound.
func TestQueueWaitsAsAsked(t *testing.T) {
	for _, tt := range []struct {
		after time.Duration
		all   bool
		want  time.Duration // for another message
	}{{time.Minute, true, time.Minute}, {time.Minute, false, 0}, {100 * time.Hour, true, maxAsked}, {-time.Hour, true, 0}} {
		q := queued(2)
		first := q.next(start)
		q.start(first)
		q.missed(q.land(first.MessageName), start, tt.after, tt.all)
		if until := start.Add(tt.want); q.next(until) == nil || tt.want > 0 && q.next(until.Add(-time.Second)) != nil {
			t.Errorf("asked for %s: %+v", tt.after, q)
		}
		if early := first.next.Sub(start); early < min(max(tt.after, 0), maxAsked) || early < firstWait*9/10 {
			t.Errorf("asked for %s, the message is tried again after %s", tt.after, early)
		}
	}
}

// No more than some are tried at once, and one alone while the receiver is down.
func TestQueueAtOnce(t *testing.T) {
	q := queued(10)
	var flying []*item
	for it := q.next(start); it != nil; it = q.next(start) {
		q.start(it)
		flying = append(flying, it)
	}
	if len(flying) != atOnce {
		t.Fatalf("%d at once", len(flying))
	}
	for _, it := range flying {
		q.missed(q.land(it.MessageName), start, 0, false)
	}
	later := start.Add(time.Hour)
	probe := q.next(later)
	if probe == nil || probe.tries != 0 {
		t.Fatalf("it is probed with %+v", probe)
	}
	q.start(probe)
	if more := q.next(later); more != nil {
		t.Errorf("beside the probe: %+v", more)
	}
}

// What is in flight is not dropped: nobody knows yet whether it is delivered.
func TestQueueDrops(t *testing.T) {
	q := queued(5)
	q.start(q.next(start))
	more := []keystore.Message{{MessageName: keystore.MessageName{Seq: 8}}, {MessageName: keystore.MessageName{Seq: 9}}}
	for bound, want := range map[int][]uint64{7: nil, 6: {2}, 4: {2, 3, 4}, 1: {2, 3, 4, 5, 8, 9}} {
		var got []uint64
		for _, name := range q.tooMany(more, bound) {
			got = append(got, name.Seq)
		}
		if len(got) != len(want) {
			t.Errorf("bound %d: %v are dropped, want %v", bound, got, want)
			continue
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("bound %d: %v are dropped, want %v", bound, got, want)
			}
		}
	}
	if old := q.tooOld(start.Add(maxAge)); len(old) != 0 {
		t.Errorf("too old after exactly %s: %v", maxAge, old)
	}
	if old := q.tooOld(start.Add(maxAge + time.Second)); len(old) != 4 || old[0].Seq != 2 {
		t.Errorf("too old: %v", old)
	}
}
