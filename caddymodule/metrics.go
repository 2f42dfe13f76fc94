package caddymodule

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/caddymodule/stores"
	"github.com/socialpatra/keygate/keystore"
)

// metrics are created once per process, so that they continue across config
// reloads. Each config registers them with its own registry. No label has a key,
// a workspace or an address, because their number is unbounded.
var metrics = newMetricSet()

type metricSet struct {
	requests    *prometheus.CounterVec
	byReason    []prometheus.Counter // of requests, by [access.Reason]
	seconds     prometheus.Histogram
	storeErrors prometheus.Counter
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
		storeErrors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "caddy_keygate_store_errors_total",
			Help: "What the key store could not do: look-ups, changes, saves of use, and opening it.",
		}),
	}
	reasons := access.Reasons()
	m.byReason = make([]prometheus.Counter, len(reasons)+1)
	for _, r := range reasons {
		m.byReason[r] = m.requests.WithLabelValues(r.String())
	}
	return m
}

// decided counts a request. The reason must be one of [access.Reasons].
func (m *metricSet) decided(reason access.Reason, took time.Duration) {
	m.byReason[reason].Inc()
	m.seconds.Observe(took.Seconds())
}

// register adds all metrics to the registry of a config.
func (m *metricSet) register(registry prometheus.Registerer) error {
	for _, c := range []prometheus.Collector{m.requests, m.seconds, m.storeErrors, keysCollector{}, stores.FleetCollector(eachStore), stores.InfoCollector(eachStore), takenGauge} {
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

// keysCollector counts the keys of all open stores when metrics are collected.
// That takes tens of milliseconds for a million keys.
type keysCollector struct{}

var keysDesc = prometheus.NewDesc("caddy_keygate_keys", "Keys in the store, by status.", []string{"status"}, nil)

// Describe implements [prometheus.Collector].
func (keysCollector) Describe(descs chan<- *prometheus.Desc) { descs <- keysDesc }

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

// Collect implements [prometheus.Collector]. If one store cannot count its keys,
// there are no counts at all, because those of the others would be taken for the
// total.
func (keysCollector) Collect(found chan<- prometheus.Metric) {
	total, known := make(map[apikey.Status]int), true
	openStores.Range(func(_, value any) bool {
		open := value.(*openStore)
		counts := open.store.Counts(open.now())
		known = known && counts != nil
		for status, n := range counts {
			total[status] += n
		}
		return true
	})
	if !known {
		return
	}
	for _, status := range apikey.Statuses() {
		found <- prometheus.MustNewConstMetric(keysDesc, prometheus.GaugeValue, float64(total[status]), string(status))
	}
}
