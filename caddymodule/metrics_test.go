package caddymodule

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// Keys are counted over all open stores; where one cannot count, there are no
// counts.
func TestKeysAreCounted(t *testing.T) {
	h, err := handlerOf(t, "{}", `{`+plainRoutes+`}`)
	if err != nil {
		t.Fatal(err)
	}
	setClock(h, stopped(testStart))
	for _, change := range []func(*apikey.Key){nil, nil, nil, func(k *apikey.Key) { k.Disabled = true }, func(k *apikey.Key) { k.RevokedAt = testStart }, func(k *apikey.Key) { k.ExpiresAt = testStart }, func(k *apikey.Key) { k.ExpiresAt = testStart }} {
		storeKey(t, h, change)
	}
	count := func() map[string]float64 {
		registry := prometheus.NewRegistry()
		for range 2 { // the second finds all of them there
			if err := metrics.register(registry); err != nil {
				t.Fatal(err)
			}
		}
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		counted := make(map[string]float64)
		for _, family := range families {
			for _, m := range family.GetMetric() {
				if family.GetName() == "caddy_keygate_keys" {
					counted[m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
				}
			}
		}
		return counted
	}
	want := map[string]float64{"active": 3, "disabled": 1, "revoked": 1, "expired": 2}
	for status, n := range count() {
		if n != want[status] {
			t.Errorf("%v keys are %s, want %v", n, status, want[status])
		}
		delete(want, status)
	}
	if len(want) > 0 {
		t.Errorf("nobody counts %v", want)
	}
	e := h.app.opened.Load()
	sound := e.store
	e.store = uncounted{sound}
	if got := count(); len(got) > 0 {
		t.Errorf("counted %v", got)
	}
	e.store = sound

	if err := metrics.register(refusing{}); err == nil {
		t.Error("a registry that refuses is not told of")
	}
}

type uncounted struct{ keystore.Store }

type refusing struct{ prometheus.Registerer }

// The bounds of the histogram are the ones that dashboards know.
func TestDecisionSeconds(t *testing.T) {
	m := newMetricSet()
	m.decided(1, 3*time.Microsecond)
	var got dto.Metric
	if err := m.seconds.Write(&got); err != nil {
		t.Fatal(err)
	}
	var bounds []float64
	for _, b := range got.GetHistogram().GetBucket() {
		bounds = append(bounds, b.GetUpperBound())
		if holds := b.GetCumulativeCount() == 1; holds != (b.GetUpperBound() > 3e-6) {
			t.Errorf("up to %v there are %d", b.GetUpperBound(), b.GetCumulativeCount())
		}
	}
	if want := []float64{250e-9, 500e-9, 1e-6, 2.5e-6, 5e-6, 10e-6, 25e-6, 100e-6, 1e-3, 10e-3, 100e-3, 1}; !slices.Equal(bounds, want) {
		t.Errorf("bounds %v, want %v", bounds, want)
	}
}

func (uncounted) Counts(time.Time) map[apikey.Status]int { return nil }

func (refusing) Register(prometheus.Collector) error { return errors.New("no") }
