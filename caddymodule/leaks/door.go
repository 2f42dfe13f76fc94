// Package leaks is the doors to which tokens come that somebody found, or wants
// to end: keygate_revocation, keygate_leak_reports and keygate_plaintext. Package
// adminapi deals with the keys; this one finds the tokens of a request, and says
// nothing about them.
//
// Whoever knocks need not say who they are. So nothing but the genuine token does
// anything, and no answer, and not the time until it comes, tells whether a token
// was genuine.
package leaks

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/caddymodule"
	"github.com/socialpatra/keygate/internal/logthrottle"
	"github.com/socialpatra/keygate/keystore"
)

// perMinute is how many tokens a minute, right or wrong, a client address (for IPv6
// its /64) may hand in. Beyond it tokens of other systems are not looked up. It is
// the default of auth_failures: handlers with that default share the budget, so that
// nobody gets more guesses here.
const perMinute = 60

// againAfter is for how long a key is reported once, however often its token comes:
// somebody with a token must not fill the audit trail.
const againAfter = time.Hour

// reported are the keys that were reported of late, of all configs of the process.
var reported = newRecent[apikey.ID](againAfter, 10_000)

// door is what the handlers of this package have in common.
type door struct {
	name   string // for the trail and for metrics
	app    *caddymodule.App
	logger *zap.Logger
	now    func() time.Time
	pause  func(context.Context, time.Duration)
	going  sync.WaitGroup // what is dealt with after its answer
}

func openDoor(ctx caddy.Context, name string) (*door, error) {
	app, err := ctx.App("keygate")
	if err != nil {
		return nil, fmt.Errorf("loading the keygate app: %w", err)
	}
	if err := registerMetrics(ctx.GetMetricsRegistry()); err != nil {
		return nil, err
	}
	return &door{name: name, app: app.(*caddymodule.App), logger: ctx.Logger(), now: time.Now, pause: pause}, nil
}

// close returns when nothing is under way any more.
func (d *door) close() {
	if d != nil {
		d.going.Wait()
	}
}

// via says for the audit trail how a token came.
func (d *door) via(r *http.Request) string {
	if client := caddymodule.ClientAddr(r); client.IsValid() {
		return d.name + " " + client.String()
	}
	return d.name
}

// within charges a client for n tokens, and reports whether it was within its
// budget, and else after how many seconds it is again. Right tokens are charged as
// wrong ones are.
func (d *door) within(r *http.Request, n int) (within bool, retryAfter int, err error) {
	budgets, err := d.app.FailuresWithin(perMinute)
	if err != nil {
		return false, 0, err
	}
	within = true
	for range n {
		if within, retryAfter = budgets.Charge(caddymodule.ClientAddr(r), d.now()); !within {
			break
		}
	}
	return within, retryAfter, nil
}

// errand is what is to be done about the tokens of one request.
type errand struct {
	tokens   []string
	then     string
	reason   string
	via      string
	imported bool // see adminapi.HandedIn
}

// do deals with tokens, and returns how many were genuine. The error is the first
// one; the other tokens are dealt with all the same.
func (d *door) do(e *errand) (genuine int, first error) {
	api, err := d.app.API()
	if err != nil {
		return 0, err
	}
	for _, token := range e.tokens {
		found, err := d.doOne(api, token, e)
		switch {
		case err != nil && first == nil:
			first = err
		case err == nil && found:
			genuine++
		}
	}
	return genuine, first
}

// doOne deals with a token, and reports whether it was genuine. A leak of one key is
// recorded once for a while; what its holder ends twice is of no interest.
func (d *door) doOne(api *adminapi.Server, token string, e *errand) (genuine bool, err error) {
	now := d.now()
	h := adminapi.HandedIn{Token: token, Then: e.then, By: keystore.Actor{At: now.UTC(), Via: e.via, Reason: e.reason}, Imported: e.imported}
	var claimed *apikey.ID
	if e.reason == adminapi.ReasonLeaked {
		h.Again = func(id apikey.ID) bool {
			claimed = &id
			return reported.claim(id, now)
		}
	}
	found, err := api.HandIn(&h)
	switch {
	case err != nil && claimed != nil:
		reported.forget(*claimed)
	case err == nil && found.Key != nil && e.reason == adminapi.ReasonLeaked:
		reported.claim(found.Key.ID, now)
	}
	return err == nil && found.Key != nil, err
}

// attend deals with the tokens of a request and returns when its answer is due. When
// that is does not depend on the tokens. If too many requests wait, it returns false
// at once. The tokens are then dealt with later, or dropped if too many are pending.
func (d *door) attend(r *http.Request, e *errand) (attended bool, err error) {
	begun := d.now()
	select {
	case places <- struct{}{}:
		defer func() { <-places }()
		err = d.settle(e, r.URL.Path)
		d.pause(r.Context(), untilDue(d.now().Sub(begun)))
		return true, err
	default:
		d.postpone(r, e)
		return false, nil
	}
}

// postpone deals with tokens after their answer.
func (d *door) postpone(r *http.Request, e *errand) {
	select {
	case pending <- struct{}{}:
		path := r.URL.Path
		d.going.Go(func() {
			defer func() { <-pending }()
			_ = d.settle(e, path) // it is in the log
		})
	default:
		overrun.Error(d.logger, d.now(), "too many tokens are handed in at once; some were not looked at")
	}
}

// settle does an errand, counts it and reports a failure.
func (d *door) settle(e *errand, path string) error {
	genuine, err := d.do(e)
	if genuine > 0 {
		counted(d.name, dealtWith)
	} else {
		counted(d.name, nothing)
	}
	if err != nil {
		d.app.ReportStoreFailure(path, err)
	}
	return err
}

var overrun logthrottle.Throttle
