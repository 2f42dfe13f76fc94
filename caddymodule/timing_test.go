package caddymodule

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"
)

// BenchmarkUnknownIDAgainstWrongSecret tells whether the time of a refusal
// tells that an ID exists. It takes turns with both, in batches small enough
// that whatever else the machine does hits both alike, on a real store, and
// reports the medians and the ratio of each pair: its median is 1 where nothing
// can be told, and its quartiles say how far one measurement is from telling.
func BenchmarkUnknownIDAgainstWrongSecret(b *testing.B) {
	h := provisioned(b, new(Handler))
	engine, err := h.app.open()
	if err != nil {
		b.Fatal(err)
	}
	policy := h.policy
	policy.Keys = engine.store
	unknown, _, _ := apikey.Generate(apikey.DefaultBrand)
	wrong, id, _ := apikey.Generate(apikey.DefaultBrand)
	storeKey(b, h, func(k *apikey.Key) { k.ID, k.Prefix = id, apikey.Prefix(apikey.DefaultBrand, id) })

	const batch = 64
	measure := func(token string) float64 {
		q := access.Request{Method: http.MethodGet, Path: "/v1/posts", Authorization: bearer(token)}
		start := time.Now()
		for range batch {
			if d := policy.Decide(&q); d.Reason != access.InvalidKey {
				b.Fatalf("decided %s", d.Reason)
			}
		}
		return float64(time.Since(start).Nanoseconds()) / batch
	}
	var ofUnknown, ofWrong, ratios []float64
	for b.Loop() {
		u, w := measure(unknown), measure(wrong)
		ofUnknown, ofWrong, ratios = append(ofUnknown, u), append(ofWrong, w), append(ratios, u/w)
	}
	for _, s := range [][]float64{ofUnknown, ofWrong, ratios} {
		slices.Sort(s)
	}
	b.ReportMetric(ofUnknown[len(ofUnknown)/2], "ns/unknown")
	b.ReportMetric(ofWrong[len(ofWrong)/2], "ns/wrong")
	b.ReportMetric(ratios[len(ratios)/4], "ratio/q1")
	b.ReportMetric(ratios[len(ratios)/2], "ratio/median")
	b.ReportMetric(ratios[3*len(ratios)/4], "ratio/q3")
}
