package stores

import (
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/socialpatra/keygate/keystore"
)

// waits is a store of which only that is asked.
type waits struct {
	keystore.Store
	oldest time.Duration
}

func (w waits) Waiting() time.Duration { return w.oldest }

func TestWaitingMetricTellsTheWorst(t *testing.T) {
	for name, test := range map[string]struct {
		open []keystore.Store
		want float64
	}{
		"no store":  {nil, 0},
		"none":      {[]keystore.Store{waits{}, waits{}}, 0},
		"the first": {[]keystore.Store{waits{oldest: 1500 * time.Millisecond}, waits{}}, 1.5},
		"the last":  {[]keystore.Store{waits{oldest: time.Second}, waits{oldest: time.Minute}}, 60},
	} {
		t.Run(name, func(t *testing.T) {
			found := make(chan prometheus.Metric, 2)
			WaitingCollector(slices.Values(test.open)).Collect(found)
			close(found)
			n := 0
			for metric := range found {
				var m dto.Metric
				if err := metric.Write(&m); err != nil || m.GetGauge().GetValue() != test.want {
					t.Errorf("told %v, %v; want %v", &m, err, test.want)
				}
				n++
			}
			if n != 1 {
				t.Errorf("told %d times", n)
			}
		})
	}
}
