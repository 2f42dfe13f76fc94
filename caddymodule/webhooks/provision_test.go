package webhooks

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/socialpatra/keygate/webhook"
)

// TestProvision expands placeholders when a config is loaded, and refuses what they
// must not stand for. No error has a secret, or a path of a URL.
func TestProvision(t *testing.T) {
	folder := t.TempDir()
	secret := func(fill string) string {
		return "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(fill, 32)))
	}
	file := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return "{file." + path + "}"
	}
	good, other, short := file("good", secret("a")+"\n"), file("other", secret("b")), file("short", "whsec_c2VzYW1l")
	t.Setenv("KEYGATE_TEST_SECRET", secret("a"))
	t.Setenv("KEYGATE_TEST_URL", "https://hooks.example/services/sesame")
	t.Setenv("KEYGATE_TEST_BAD_URL", "http://hooks.example/services/sesame")
	const url = "https://hooks.example/services/sesame"
	one := func(url string, secrets ...string) []webhook.Config {
		return []webhook.Config{{URL: url, Secrets: secrets}}
	}
	for name, tt := range map[string]struct {
		configs []webhook.Config
		refused string // a part of the error
	}{
		"one":                 {one(url, good), ""},
		"two secrets":         {one(url, good, other), ""},
		"of the environment":  {one("{env.KEYGATE_TEST_URL}", "{env.KEYGATE_TEST_SECRET}"), ""},
		"url of a file":       {one(file("url", url+"\n"), good), ""},
		"none":                {nil, ""},
		"no secret":           {one(url), "0 secrets"},
		"literal":             {one(url, secret("a")), "not a placeholder"},
		"no file":             {one(url, "{file."+folder+"/none}"), folder + "/none"},
		"no variable":         {one(url, "{env.KEYGATE_TEST_NONE}"), "KEYGATE_TEST_NONE"},
		"no secret in it":     {one(url, short), "24 to 64 bytes"},
		"the same twice":      {one(url, good, "{env.KEYGATE_TEST_SECRET}"), "the same"},
		"http elsewhere":      {one("{env.KEYGATE_TEST_BAD_URL}", good), "readable on its way"},
		"no url":              {one("", good), "url"},
		"the same url":        {append(one(url, good), one("{env.KEYGATE_TEST_URL}", other)...), "webhook 2: its url is that of webhook 1"},
		"an unknown event":    {[]webhook.Config{{URL: url, Secrets: []string{good}, Events: []string{"key.gone"}}}, "accepted: key.created"},
		"a variable in a url": {one("https://hooks.example/{env.KEYGATE_TEST_NONE}/sesame", good), "KEYGATE_TEST_NONE"},
	} {
		t.Run(name, func(t *testing.T) {
			hooks, err := Provision(tt.configs)
			if (err == nil) != (tt.refused == "") {
				t.Fatalf("%v", err)
			}
			if err == nil {
				for i, h := range hooks {
					if h.URL.String() != url || len(h.Secrets) != len(tt.configs[i].Secrets) || h.Place() != "https://hooks.example" {
						t.Errorf("%+v", h)
					}
				}
				return
			}
			if !strings.Contains(err.Error(), tt.refused) {
				t.Errorf("%v; want %q in it", err, tt.refused)
			}
			for _, hidden := range []string{"sesame", "c2VzYW1l", secret("a")[6:20], secret("b")[6:20]} {
				if strings.Contains(err.Error(), hidden) {
					t.Errorf("the error says %q: %v", hidden, err)
				}
			}
		})
	}
}

// TestCollector shows every outcome from the start.
func TestCollector(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(Collector(func(func(*webhook.Senders) bool) {})); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	series := make(map[string]int)
	for _, f := range families {
		series[f.GetName()] = len(f.GetMetric())
	}
	for name, want := range map[string]int{"caddy_keygate_webhook_deliveries_total": 4, "caddy_keygate_webhook_dropped_total": 1, "caddy_keygate_webhook_waiting": 1} {
		if series[name] != want {
			t.Errorf("%s has %d series, want %d", name, series[name], want)
		}
	}
}
