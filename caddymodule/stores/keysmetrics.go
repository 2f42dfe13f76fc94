package stores

import (
	"iter"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// KeysCollector counts the keys of all open stores when metrics are collected. That
// takes tens of milliseconds for a million keys. It iterates over the stores that are
// open, with the time.
type KeysCollector iter.Seq2[keystore.Store, time.Time]

var (
	keysDesc     = prometheus.NewDesc("caddy_keygate_keys", "Keys in the store, by status.", []string{"status"}, nil)
	expiringDesc = prometheus.NewDesc("caddy_keygate_keys_expiring",
		"Keys that are neither revoked nor expired, and expire within 7 or 30 days.", []string{"within"}, nil)
)

// expiringWithin are the labels of caddy_keygate_keys_expiring.
var expiringWithin = map[string]time.Duration{"7d": 7 * 24 * time.Hour, "30d": apikey.Soon}

// Describe implements [prometheus.Collector].
func (KeysCollector) Describe(descs chan<- *prometheus.Desc) {
	descs <- keysDesc
	descs <- expiringDesc
}

// Collect implements [prometheus.Collector]. If one store cannot count its keys,
// there are no counts at all, because those of the others would be taken for the
// total.
func (open KeysCollector) Collect(found chan<- prometheus.Metric) {
	total, expiring := make(map[apikey.Status]int), make(map[string]int)
	known, expiringKnown := true, true
	for store, now := range open {
		counts := store.Counts(now)
		known = known && counts != nil
		for status, n := range counts {
			total[status] += n
		}
		for label, within := range expiringWithin {
			n, err := store.CountExpiring(now, now.Add(within))
			expiringKnown = expiringKnown && err == nil
			expiring[label] += n
		}
	}
	gauge := func(desc *prometheus.Desc, n int, label string) {
		found <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(n), label)
	}
	if known {
		for _, status := range apikey.Statuses() {
			gauge(keysDesc, total[status], string(status))
		}
	}
	if expiringKnown {
		for label := range expiringWithin {
			gauge(expiringDesc, expiring[label], label)
		}
	}
}
