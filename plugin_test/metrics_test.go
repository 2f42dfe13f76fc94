package plugin_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// metrics reads those of Keygate from the admin endpoint.
func (g *gateway) metrics(t testing.TB) map[string]*dto.MetricFamily {
	t.Helper()
	resp := g.adminDo(t, http.MethodGet, "/metrics", "")
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(resp.Body))
	if err != nil {
		t.Fatal(err)
	}
	for name := range families {
		if !strings.HasPrefix(name, "caddy_keygate_") {
			delete(families, name)
		}
	}
	return families
}

// byLabel returns the values of a counter or gauge with one label.
func byLabel(family *dto.MetricFamily) map[string]float64 {
	values := make(map[string]float64)
	for _, m := range family.GetMetric() {
		label := ""
		if labels := m.GetLabel(); len(labels) > 0 {
			label = labels[0].GetValue()
		}
		values[label] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
	}
	return values
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	// Of 1 a minute nothing is regained before it is used up.
	g, _ := startSite(t, "auth_failures 1")
	k, token := g.createKey(t, "--scope", "posts:read", "--per-minute", "1")
	revoked, revokedToken := g.createKey(t, "--scope", "posts:read")
	disabled, _ := g.createKey(t, "--scope", "posts:read")
	g.mustCLI(t, "revoke", revoked.ID)
	g.mustCLI(t, "disable", disabled.ID)

	want := map[string]float64{}
	expect := func(reason string, status int, method, path string, headers ...string) {
		t.Helper()
		if resp := g.do(t, method, path, "", headers...); resp.Status != status {
			t.Fatalf("%s %s: %d, want %d", method, path, resp.Status, status)
		}
		want[reason]++
	}
	all := func() {
		t.Helper()
		expect("allowed", 200, "GET", "/v1/status")
		expect("missing_key", 401, "GET", "/v1/posts")
		expect("ambiguous_path", 400, "GET", "/v1//posts", bearer(token))
		expect("insufficient_scope", 403, "POST", "/v1/posts", bearer(token))
		expect("route_not_mapped", 403, "GET", "/elsewhere", bearer(token))
	}
	check := func() {
		t.Helper()
		families := g.metrics(t)
		got := byLabel(families["caddy_keygate_requests_total"])
		total := 0.0
		for reason, n := range got {
			total += n
			if n != want[reason] {
				t.Errorf("%v requests are counted as %s, want %v", n, reason, want[reason])
			}
		}
		if n := families["caddy_keygate_decision_seconds"].GetMetric()[0].GetHistogram().GetSampleCount(); float64(n) != total {
			t.Errorf("%d decisions are timed, %v counted", n, total)
		}
		keys := byLabel(families["caddy_keygate_keys"])
		if keys["active"] != 1 || keys["disabled"] != 1 || keys["revoked"] != 1 || keys["expired"] != 0 || len(keys) != 4 {
			t.Errorf("keys by status: %v", keys)
		}
		if errs := byLabel(families["caddy_keygate_store_errors_total"]); errs[""] != 0 {
			t.Errorf("store errors: %v", errs)
		}
		if taken, open := byLabel(families["caddy_keygate_addresses_taken"]), families["caddy_keygate_store_info"].GetMetric(); taken[""] != 0 || len(open) != 1 {
			t.Errorf("addresses taken: %v, open stores %v", taken, open)
		}
		// Each second the counts are saved, which is a change as well.
		await(t, "moment at which no change waits", func() bool {
			waiting := byLabel(g.metrics(t)["caddy_keygate_change_waiting_seconds"])
			return len(waiting) == 1 && waiting[""] == 0
		})
		if hooks := byLabel(families["caddy_keygate_webhook_deliveries_total"]); len(hooks) != 4 {
			t.Errorf("attempts of webhooks: %v", hooks)
		}
		want := 15
		if families["caddy_keygate_engine_away"] != nil { // on Redis
			want = 20
		}
		if len(families) != want {
			t.Errorf("%d metrics, want the %d of the design", len(families), want)
		}
	}

	all()
	expect("allowed", 200, "GET", "/v1/posts", bearer(token))
	expect("rate_limited", 429, "GET", "/v1/posts", bearer(token))
	expect("rate_limited", 429, "GET", "/v1/posts", bearer(token))
	expect("key_revoked", 401, "GET", "/v1/posts", bearer(revokedToken))
	expect("too_many_failures", 429, "GET", "/v1/posts", bearer(revokedToken))
	expect("too_many_failures", 429, "GET", "/v1/posts", bearer(revokedToken))
	check()

	// Counters go on over reloads: of the same config, of another, and of one
	// without keygate in between.
	for _, config := range []string{siteWith("auth_failures 1"), siteWith("auth_failures 3"), ":{$PORT}\nrespond nothing", siteWith()} {
		if r := g.reload(t, config); r.Code != 0 {
			t.Fatal(r.Stderr)
		}
		if strings.Contains(config, "keygate") {
			all()
			check()
		}
	}
	body := g.adminDo(t, http.MethodGet, "/metrics", "").Body
	for _, secret := range []string{k.ID, "acme", secretOf(token)} {
		if strings.Contains(body, secret) {
			t.Errorf("metrics name %q", secret)
		}
	}
	lintMetrics(t, body)
}

// lintMetrics checks names and help as promtool check metrics does.
func lintMetrics(t *testing.T, body string) {
	t.Helper()
	problems, err := promlint.New(bytes.NewReader([]byte(body))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "caddy_keygate_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}
