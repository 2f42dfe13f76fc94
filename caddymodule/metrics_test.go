package caddymodule

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/socialpatra/keygate/access"
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
	count := func() map[string]float64 { return gathered(t, "caddy_keygate_keys") }
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

// gathered returns what a metric of one label has, by its label.
func gathered(t *testing.T, name string) map[string]float64 {
	t.Helper()
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
	found := make(map[string]float64)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == name {
				found[m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	return found
}

// Keys that expire soon are counted as long as they live, also disabled ones.
func TestExpiringKeysAreCounted(t *testing.T) {
	h, err := handlerOf(t, "{}", `{`+plainRoutes+`}`)
	if err != nil {
		t.Fatal(err)
	}
	setClock(h, stopped(testStart))
	e, err := h.app.open()
	if err != nil {
		t.Fatal(err)
	}
	wantCounted := func(week, month float64) {
		t.Helper()
		if got, want := gathered(t, "caddy_keygate_keys_expiring"), map[string]float64{"7d": week, "30d": month}; !maps.Equal(got, want) {
			t.Errorf("%v expire soon; want %v", got, want)
		}
	}
	wantCounted(0, 0)
	const week = 7 * 24 * time.Hour
	for _, change := range []func(*apikey.Key){
		nil,
		func(k *apikey.Key) { k.ExpiresAt = testStart },
		func(k *apikey.Key) { k.ExpiresAt = testStart.Add(time.Second) },
		func(k *apikey.Key) { k.ExpiresAt, k.RevokedAt = testStart.Add(time.Second), testStart },
		func(k *apikey.Key) { k.ExpiresAt, k.Disabled = testStart.Add(week), true },
		func(k *apikey.Key) { k.ExpiresAt = testStart.Add(week + time.Second) },
		func(k *apikey.Key) { k.ExpiresAt = testStart.Add(month) },
		func(k *apikey.Key) { k.ExpiresAt = testStart.Add(month + time.Second) },
	} {
		storeKey(t, h, change)
	}
	wantCounted(2, 4)
	sound := e.store
	e.store = uncountedExpiring{sound}
	if got := gathered(t, "caddy_keygate_keys_expiring"); len(got) > 0 {
		t.Errorf("counted %v", got)
	}
	if got := gathered(t, "caddy_keygate_keys"); len(got) == 0 {
		t.Error("other counts are gone as well")
	}
	e.store = sound
}

// Leaks are counted by what was done, from the start.
func TestLeaksAreCounted(t *testing.T) {
	h, err := handlerOf(t, "{}", `{`+plainRoutes+`}`)
	if err != nil {
		t.Fatal(err)
	}
	before := gathered(t, "caddy_keygate_keys_leaked_total")
	for _, done := range []string{"reported", "revoked", "revoked"} {
		changeLog{h.app}.KeyLeaked(new(apikey.Record), apikey.Active, done, keystore.Actor{})
	}
	for done, want := range map[string]float64{"reported": 1, "disabled": 0, "revoked": 2} {
		have, there := gathered(t, "caddy_keygate_keys_leaked_total")[done]
		if was := before[done]; !there || have-was != want {
			t.Errorf("%s: %v after %v, there %t; want %v more", done, have, was, there, want)
		}
	}
}

type uncounted struct{ keystore.Store }

type uncountedExpiring struct{ keystore.Store }

func (uncountedExpiring) CountExpiring(time.Time, time.Time) (int, error) {
	return 0, keystore.ErrClosed
}

type refusing struct{ prometheus.Registerer }

// The bounds of the histogram are the ones that dashboards know.
func TestDecisionSeconds(t *testing.T) {
	m := newMetricSet()
	m.decided(&access.Decision{Reason: access.Allowed}, 3*time.Microsecond)
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
