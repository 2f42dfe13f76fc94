package stores

import (
	"iter"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/keystore/redisstore"
)

// FleetCollector reports what this gateway knows of its fleets' engines. There
// may be several, for example while a config with other options is loaded; then
// it reports the worst value. Without a fleet it reports nothing. It iterates over
// the stores that are open.
type FleetCollector iter.Seq[keystore.Store]

var (
	awayDesc = prometheus.NewDesc("caddy_keygate_engine_away",
		"1 while the engine of the fleet cannot be used, and 0 otherwise.", nil, nil)
	heartbeatDesc = prometheus.NewDesc("caddy_keygate_engine_heartbeat_age_seconds",
		"Time since the last heartbeat that the engine answered was sent; missing where it has answered none since the last gap.", nil, nil)
	gatewaysDesc = prometheus.NewDesc("caddy_keygate_gateways",
		"Gateways of the fleet that are there, as this one last heard.", nil, nil)
	skewDesc = prometheus.NewDesc("caddy_keygate_clock_skew_seconds",
		"By how much the clock of this gateway is ahead of the engine's.", nil, nil)
	evictedDesc = prometheus.NewDesc("caddy_keygate_engine_evicted_keys",
		"What the engine has dropped since its start because its memory was full. It must stay 0.", nil, nil)
)

// Describe implements [prometheus.Collector].
func (FleetCollector) Describe(descs chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{awayDesc, heartbeatDesc, gatewaysDesc, skewDesc, evictedDesc} {
		descs <- desc
	}
}

// Collect implements [prometheus.Collector].
func (open FleetCollector) Collect(found chan<- prometheus.Metric) {
	var worst redisstore.State
	n := 0
	for store := range open {
		fleet, ok := store.(interface{ State() redisstore.State })
		if !ok {
			continue
		}
		state := fleet.State()
		if n++; n == 1 {
			worst = state
			continue
		}
		worst.Away = worst.Away || state.Away
		if state.Heartbeat < 0 || worst.Heartbeat >= 0 && state.Heartbeat > worst.Heartbeat {
			worst.Heartbeat = state.Heartbeat
		}
		worst.Gateways = min(worst.Gateways, state.Gateways)
		if state.Skew.Abs() > worst.Skew.Abs() {
			worst.Skew = state.Skew
		}
		worst.Evicted = max(worst.Evicted, state.Evicted)
	}
	if n == 0 {
		return
	}
	gauge := func(desc *prometheus.Desc, value float64) {
		found <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value)
	}
	away := 0.0
	if worst.Away {
		away = 1
	}
	gauge(awayDesc, away)
	if worst.Heartbeat >= 0 {
		gauge(heartbeatDesc, worst.Heartbeat.Seconds())
	}
	gauge(gatewaysDesc, float64(worst.Gateways))
	gauge(skewDesc, worst.Skew.Round(time.Millisecond).Seconds())
	gauge(evictedDesc, float64(worst.Evicted))
}
