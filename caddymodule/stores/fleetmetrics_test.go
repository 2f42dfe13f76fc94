package stores

import (
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/keystore/redisstore"
)

// fleetState is a store of which only the state of its engine is asked.
type fleetState struct {
	keystore.Store
	state redisstore.State
}

func (f fleetState) State() redisstore.State { return f.state }

func (fleetState) Close() error { return nil }

// ofOneMachine is a store without an engine.
type ofOneMachine struct{ keystore.Store }

// fleetMetrics are what is told while these stores are open, by name.
func fleetMetrics(t *testing.T, open ...keystore.Store) map[string]float64 {
	t.Helper()
	found := make(chan prometheus.Metric, 100)
	FleetCollector(slices.Values(open)).Collect(found)
	close(found)
	told := make(map[string]float64)
	names := map[*prometheus.Desc]string{awayDesc: "away", heartbeatDesc: "heartbeat", gatewaysDesc: "gateways", skewDesc: "skew", evictedDesc: "evicted"}
	for metric := range found {
		var m dto.Metric
		if err := metric.Write(&m); err != nil {
			t.Fatal(err)
		}
		told[names[metric.Desc()]] = m.GetGauge().GetValue()
	}
	return told
}

// Of several engines the worst is told, whichever is first; stores without one
// are none.
func TestFleetMetricsTellTheWorst(t *testing.T) {
	well := redisstore.State{Heartbeat: time.Second, Gateways: 5, Skew: 2 * time.Millisecond, Evicted: 1}
	ill := redisstore.State{Away: true, Heartbeat: 3 * time.Second, Gateways: 2, Skew: -7 * time.Millisecond, Evicted: 4}
	gone := redisstore.State{Heartbeat: -1, Gateways: 9}
	for name, test := range map[string]struct {
		states []redisstore.State
		want   map[string]float64
	}{
		"none":       {nil, map[string]float64{}},
		"one":        {[]redisstore.State{well}, map[string]float64{"away": 0, "heartbeat": 1, "gateways": 5, "skew": 0.002, "evicted": 1}},
		"no answer":  {[]redisstore.State{gone}, map[string]float64{"away": 0, "gateways": 9, "skew": 0, "evicted": 0}},
		"two":        {[]redisstore.State{well, ill}, map[string]float64{"away": 1, "heartbeat": 3, "gateways": 2, "skew": -0.007, "evicted": 4}},
		"two, back":  {[]redisstore.State{ill, well}, map[string]float64{"away": 1, "heartbeat": 3, "gateways": 2, "skew": -0.007, "evicted": 4}},
		"with gone":  {[]redisstore.State{well, gone}, map[string]float64{"away": 0, "gateways": 5, "skew": 0.002, "evicted": 1}},
		"gone, then": {[]redisstore.State{gone, ill}, map[string]float64{"away": 1, "gateways": 2, "skew": -0.007, "evicted": 4}},
	} {
		t.Run(name, func(t *testing.T) {
			open := []keystore.Store{ofOneMachine{}}
			for _, state := range test.states {
				open = append(open, fleetState{state: state})
			}
			got := fleetMetrics(t, open...)
			if len(got) != len(test.want) {
				t.Errorf("told %v, want %v", got, test.want)
			}
			for name, want := range test.want {
				if got[name] != want {
					t.Errorf("%s is %v, want %v", name, got[name], want)
				}
			}
		})
	}
}
