package plugin_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// dashboard is what the tests look at of deploy/grafana-dashboard.json.
type dashboard struct {
	UID           string
	Title         string
	SchemaVersion int
	Templating    struct {
		List []struct{ Name, Type string }
	}
	Panels []struct {
		ID         int
		Title      string
		Datasource struct{ UID string }
		GridPos    struct{ X, Y, W, H int }
		Targets    []struct{ RefID, Expr string }
	}
}

func readDashboard(t testing.TB) dashboard {
	t.Helper()
	var d dashboard
	if err := json.Unmarshal([]byte(readFile(t, "deploy/grafana-dashboard.json")), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// alert is one rule of deploy/alerts.yaml.
type alert struct {
	Alert       string
	Expr        string
	For         string
	Labels      map[string]string
	Annotations map[string]string
}

func readAlerts(t testing.TB) []alert {
	t.Helper()
	text, err := os.ReadFile("../deploy/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []alert
		}
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&file); err != nil {
		t.Fatal(err)
	}
	if len(file.Groups) != 1 || len(file.Groups[0].Rules) != 11 {
		t.Fatalf("want one group of eleven rules, got %+v", file.Groups)
	}
	return file.Groups[0].Rules
}

func TestDashboard(t *testing.T) {
	t.Parallel()
	d := readDashboard(t)
	if d.UID == "" || d.Title != "Keygate" || d.SchemaVersion < 39 || len(d.Panels) == 0 {
		t.Errorf("the dashboard is not whole: %+v", d)
	}
	if v := d.Templating.List; len(v) == 0 || v[0].Name != "datasource" || v[0].Type != "datasource" {
		t.Errorf("the first variable is not the data source: %+v", v)
	}
	ids := make(map[int]bool)
	taken := make(map[[2]int]string)
	for _, p := range d.Panels {
		if ids[p.ID] || p.ID == 0 || p.Title == "" || p.Datasource.UID != "${datasource}" || len(p.Targets) == 0 {
			t.Errorf("panel %d %q: no title or target, the ID of another, or bound to one data source", p.ID, p.Title)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x > 23 {
					t.Fatalf("panel %q lies over %q, or beyond the edge", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}

// The dashboard and the alerts ask for series that a gateway exposes, with
// reasons and statuses that there are.
func TestDashboardAndAlertsAskForWhatIsExposed(t *testing.T) {
	t.Parallel()
	g, url := startDeployed(t)
	g.do(t, "GET", "/v1/posts", "", bearer(g.token(t, "--scope", "posts:read")))
	g.do(t, "GET", "/v1/posts", "")
	body := send(t, g.client, "GET", url, "", nil).Body
	series := regexp.MustCompile(`(?m)^((?:caddy_keygate|process)_\w+)(?:\{(\w+)="([^"]+)"\})? `).FindAllStringSubmatch(body, -1)
	exposed := make(map[string][]string) // label values by series, and by series and label
	for _, s := range series {
		exposed[s[1]] = nil
		exposed[s[1]+" "+s[2]] = append(exposed[s[1]+" "+s[2]], s[3])
	}

	exprs := make(map[string]string)
	for _, a := range readAlerts(t) {
		exprs[a.Alert] = a.Expr
	}
	for _, p := range readDashboard(t).Panels {
		for _, target := range p.Targets {
			exprs[p.Title+" "+target.RefID] = target.Expr
		}
	}
	asked := make(map[string]bool)
	for name, expr := range exprs {
		selectors := regexp.MustCompile(`((?:caddy_keygate|process)_\w+)(?:\{([^}]*)\})?`).FindAllStringSubmatch(expr, -1)
		if len(selectors) == 0 {
			t.Errorf("%s asks for nothing: %s", name, expr)
		}
		for _, s := range selectors {
			if _, ok := exposed[s[1]]; !ok {
				t.Errorf("%s asks for %s, which no gateway exposes", name, s[1])
			}
			asked[s[1]] = true
			for _, m := range regexp.MustCompile(`(reason|status|within|done)=~?"([^"]+)"`).FindAllStringSubmatch(s[2], -1) {
				for value := range strings.SplitSeq(m[2], "|") {
					if !slices.ContainsFunc(exposed[s[1]+" "+m[1]], regexp.MustCompile("^(?:"+value+")$").MatchString) {
						t.Errorf("%s asks for %s %s, of which there is none", name, m[1], value)
					}
				}
			}
		}
	}
	for _, name := range []string{"caddy_keygate_requests_total", "caddy_keygate_decision_seconds_bucket", "caddy_keygate_keys", "caddy_keygate_keys_expiring", "caddy_keygate_keys_leaked_total", "caddy_keygate_store_errors_total", "caddy_keygate_would_deny_total", "caddy_keygate_not_enforced", "caddy_keygate_foreign_total", "caddy_keygate_change_waiting_seconds"} {
		if !asked[name] {
			t.Errorf("neither the dashboard nor an alert asks for %s; they ask for %v", name, slices.Sorted(maps.Keys(asked)))
		}
	}
}

// An alert in the night leads to a section that says what to do.
func TestAlertsLeadToRunbooks(t *testing.T) {
	t.Parallel()
	page := readFile(t, "docs/operators.md")
	for _, a := range readAlerts(t) {
		file, anchor, _ := strings.Cut(a.Annotations["runbook_url"], "#")
		if file != "https://github.com/socialpatra/keygate/blob/main/docs/operators.md" || !anchors(page)[anchor] {
			t.Errorf("%s: the runbook %s does not exist", a.Alert, a.Annotations["runbook_url"])
		}
		if a.Labels["severity"] == "" || a.Annotations["summary"] == "" || a.Annotations["description"] == "" {
			t.Errorf("%s lacks a severity, a summary or a description", a.Alert)
		}
		if !strings.Contains(page, "| `"+a.Alert+"` | "+a.Labels["severity"]+" | ") {
			t.Errorf("docs/operators.md does not list %s as %s", a.Alert, a.Labels["severity"])
		}
	}
}
