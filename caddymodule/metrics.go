package caddymodule

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/caddymodule/stores"
	"github.com/socialpatra/keygate/caddymodule/webhooks"
	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/webhook"
)

// metrics are created once per process, so that they continue across config
// reloads. Each config registers them with its own registry. No label has a key,
// a workspace or an address, because their number is unbounded.
var metrics = newMetricSet()

type metricSet struct {
	requests    *prometheus.CounterVec
	byReason    []prometheus.Counter // of requests, by [access.Reason]
	wouldDeny   *prometheus.CounterVec
	byWouldDeny []prometheus.Counter
	foreign     prometheus.Counter
	seconds     prometheus.Histogram
	storeErrors prometheus.Counter
	leaked      *prometheus.CounterVec
}

func newMetricSet() *metricSet {
	m := &metricSet{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "caddy_keygate_requests_total",
			Help: "Requests decided, by reason: allowed, or the code of the denial.",
		}, []string{"reason"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "caddy_keygate_decision_seconds",
			Help:    "Time that a decision took, with its limits and without the backend.",
			Buckets: []float64{250e-9, 500e-9, 1e-6, 2.5e-6, 5e-6, 10e-6, 25e-6, 100e-6, 1e-3, 10e-3, 100e-3, 1},
		}),
		wouldDeny: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "caddy_keygate_would_deny_total",
			Help: "Requests to handlers in mode report that mode enforce denies, by the code of the denial. All pass but those of keys that have ended.",
		}, []string{"reason"}),
		foreign: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "caddy_keygate_foreign_total",
			Help: "Requests that passed without a key of Keygate's, by foreign pass.",
		}),
		storeErrors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "caddy_keygate_store_errors_total",
			Help: "What the key store could not do: look-ups, changes, saves of use, and opening it.",
		}),
		leaked: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "caddy_keygate_keys_leaked_total",
			Help: "Genuine tokens that were found somewhere, by what was done with their keys.",
		}, []string{"done"}),
	}
	for _, done := range []string{"reported", "disabled", "revoked"} {
		m.leaked.WithLabelValues(done)
	}
	reasons := access.Reasons()
	m.byReason = make([]prometheus.Counter, len(reasons)+1)
	m.byWouldDeny = make([]prometheus.Counter, len(reasons)+1)
	for _, r := range reasons {
		m.byReason[r] = m.requests.WithLabelValues(r.String())
		if r != access.Allowed {
			m.byWouldDeny[r] = m.wouldDeny.WithLabelValues(r.String())
		}
	}
	return m
}

// decided counts a request by what was done about it, and by what would be done if
// that was only reported.
func (m *metricSet) decided(d *access.Decision, took time.Duration) {
	m.byReason[d.Reason].Inc()
	if d.WouldDeny != 0 {
		m.byWouldDeny[d.WouldDeny].Inc()
	}
	if d.Foreign && d.Reason == access.Allowed && d.WouldDeny == 0 {
		m.foreign.Inc()
	}
	m.seconds.Observe(took.Seconds())
}

// register adds all metrics to the registry of a config.
func (m *metricSet) register(registry prometheus.Registerer) error {
	for _, c := range []prometheus.Collector{m.requests, m.wouldDeny, m.foreign, m.seconds, m.storeErrors, m.leaked, notEnforced, stores.KeysCollector(eachStoreNow), stores.FleetCollector(eachStore), stores.InfoCollector(eachStore), stores.WaitingCollector(eachStore), webhooks.Collector(eachSenders), takenGauge} {
		err := registry.Register(c)
		if already := (prometheus.AlreadyRegisteredError{}); err != nil && !errors.As(err, &already) {
			return err
		}
	}
	return nil
}

// eachStore yields the stores that are open.
func eachStore(yield func(keystore.Store) bool) {
	openStores.Range(func(_, value any) bool { return yield(value.(*openStore).store) })
}

// eachStoreNow yields the stores that are open, with what their clocks say.
func eachStoreNow(yield func(keystore.Store, time.Time) bool) {
	openStores.Range(func(_, value any) bool {
		open := value.(*openStore)
		return yield(open.store, open.now())
	})
}

// eachSenders yields what sends for the webhooks of each of them.
func eachSenders(yield func(*webhook.Senders) bool) {
	openStores.Range(func(_, value any) bool { return yield(value.(*openStore).webhooks) })
}

// takenGauge tells how many addresses of this process another one has too.
var takenGauge = prometheus.NewGaugeFunc(prometheus.GaugeOpts{
	Name: "caddy_keygate_addresses_taken",
	Help: "Addresses of this Caddy, Unix sockets and ports, that another process has taken away or shares. It must be 0.",
}, func() float64 {
	taken := make(map[string]bool)
	openStores.Range(func(_, value any) bool {
		for _, err := range value.(*openStore).listening.Taken() {
			taken[err.Error()] = true
		}
		return true
	})
	return float64(len(taken))
})
