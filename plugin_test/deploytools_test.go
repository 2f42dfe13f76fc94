//go:build deploy

package plugin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What is in deploy passes the tools of those who read it: systemd-analyze,
// and promtool of Prometheus.
func TestDeploymentWithItsTools(t *testing.T) {
	binary, err := caddyBinary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	unit := filepath.Join(dir, "keygate.service")
	text := strings.ReplaceAll(readFile(t, "deploy/keygate.service"), "=caddy ", "="+binary+" ")
	write(t, unit, text)

	// The dashboard's expressions, as rules that promtool can read.
	var rules strings.Builder
	rules.WriteString("groups:\n- name: dashboard\n  rules:\n")
	replacer := strings.NewReplacer("$__rate_interval", "5m", "$job", ".+", "$instance", ".+")
	for i, p := range readDashboard(t).Panels {
		for j, target := range p.Targets {
			expr, err := json.Marshal(replacer.Replace(target.Expr))
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&rules, "  - record: panel:%d:%d\n    expr: %s\n", i, j, expr)
		}
	}
	panels := filepath.Join(dir, "panels.yaml")
	write(t, panels, rules.String())

	g, url := startDeployed(t)
	g.do(t, "GET", "/v1/posts", "", bearer(g.token(t, "--scope", "posts:read")))
	var ours strings.Builder // Caddy's own and Go's are theirs to name
	for line := range strings.Lines(send(t, g.client, "GET", url, "", nil).Body) {
		if strings.Contains(line, "caddy_keygate_") {
			ours.WriteString(line)
		}
	}

	for name, test := range map[string]struct {
		stdin   string
		command []string
	}{
		"the unit is valid":        {"", []string{"systemd-analyze", "verify", "--man=no", unit}},
		"the unit is hardened":     {"", []string{"systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", unit}}, // 2.0 of 10
		"the alerts are valid":     {"", []string{"promtool", "check", "rules", "../deploy/alerts.yaml"}},
		"the alerts fire":          {"", []string{"promtool", "test", "rules", "../deploy/alerts_test.yaml"}},
		"the dashboard is valid":   {"", []string{"promtool", "check", "rules", panels}},
		"the metrics are well put": {ours.String(), []string{"promtool", "check", "metrics"}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*patience) // promtool goes through two weeks
			defer cancel()
			cmd := exec.CommandContext(ctx, test.command[0], test.command[1:]...)
			cmd.Stdin = strings.NewReader(test.stdin)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("%s: %v\n%s", strings.Join(test.command, " "), err, out)
			}
			// verify says what it dislikes and may end well all the same.
			if test.command[1] == "verify" && len(out) > 0 {
				t.Errorf("systemd-analyze verify: %s", out)
			}
		})
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
