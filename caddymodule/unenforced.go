package caddymodule

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/internal/headers"
)

// wasLetIn reports whether a keygate before this one has decided about the request.
// It then passes here without being reported again.
func wasLetIn(r *http.Request) bool {
	repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return false
	}
	_, decided := repl.GetString("http.auth.keygate.reason")
	return decided
}

// handOn passes a request on as it came, in mode report. Only claims of identity
// and tokens of the brand are gone, and the answer is what the handlers behind
// make of it. With a good key it ends when the key does.
func (a *answer) handOn(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, d *access.Decision, e *openStore) error {
	if a.body.ReadCloser != nil {
		r.Body = a.body.ReadCloser
	}
	h := a.handler
	sieve := headers.Sieve{
		Claims:   h.identity.Claims,
		Carries:  h.identity.CarriesKeys,
		IsSecret: func(value string) bool { return access.HoldsToken(h.policy.Brand, value) },
	}
	sieve.Apply(r, &a.taken)
	a.tell(d)
	if d.Authenticated {
		rw := &a.writer
		rw.ResponseWriter, rw.answer, rw.untouched = w, a, true
		rw.mayUpgrade = len(r.Header["Upgrade"]) > 0
		joined := a.join(w, r, d, &e.open)
		defer a.leave()
		err := next.ServeHTTP(rw, joined)
		if a.open.Leave() {
			return a.end(w, d, err)
		}
		return a.handedOn(r, err)
	}
	return a.handedOn(r, next.ServeHTTP(w, r))
}

// handedOn gives back what handOn took off, for handlers around.
func (a *answer) handedOn(r *http.Request, err error) error {
	if err == nil && r.Context().Err() == nil {
		a.taken.GiveBack(r)
	}
	return err
}

// notEnforced tells how many handlers of the running config only report.
var notEnforced = prometheus.NewGaugeFunc(prometheus.GaugeOpts{
	Name: "caddy_keygate_not_enforced",
	Help: "Keygate handlers of the running config in mode report, which refuse nothing but keys that have ended.",
}, func() (n float64) {
	active := caddy.ActiveContext()
	if active.Context == nil {
		return 0
	}
	app, err := loadedApp[*App](active, "keygate")
	if err != nil || app == nil {
		return 0
	}
	for i := range app.mappings {
		if app.mappings[i].Policy.Report {
			n++
		}
	}
	return n
})
