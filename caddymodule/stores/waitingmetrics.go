package stores

import (
	"iter"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/socialpatra/keygate/keystore"
)

// WaitingCollector reports how long changes wait. It iterates over the stores that
// are open.
type WaitingCollector iter.Seq[keystore.Store]

var waitingDesc = prometheus.NewDesc("caddy_keygate_change_waiting_seconds",
	"For how long the oldest change of a key store has waited, for those before it or for its disk; 0 while none waits.", nil, nil)

// Describe implements [prometheus.Collector].
func (WaitingCollector) Describe(descs chan<- *prometheus.Desc) { descs <- waitingDesc }

// Collect implements [prometheus.Collector]. Of several stores the worst is told.
func (open WaitingCollector) Collect(found chan<- prometheus.Metric) {
	var longest time.Duration
	for store := range open {
		longest = max(longest, store.Waiting())
	}
	found <- prometheus.MustNewConstMetric(waitingDesc, prometheus.GaugeValue, longest.Seconds())
}
