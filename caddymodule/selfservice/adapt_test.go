package selfservice

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/socialpatra/keygate/internal/goldentest"

	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/standard" // the directives around ours
)

// adapt runs Caddy's own Caddyfile adapter.
func adapt(t testing.TB, caddyfile string) (string, []caddyconfig.Warning, error) {
	t.Helper()
	out, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return "", nil, err
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, out, "", "\t"); err != nil {
		t.Fatal(err)
	}
	return pretty.String() + "\n", warnings, nil
}

func TestAdapt(t *testing.T) {
	for _, file := range goldentest.Caddyfiles(t, "adapt") {
		t.Run(file.Name(), func(t *testing.T) {
			got, warnings, err := adapt(t, file.Text)
			if err != nil || len(warnings) > 0 { // that caddy fmt would change it, for one
				t.Fatal(err, warnings)
			}
			file.Check(t, got)
		})
	}
}

// Every mistake is refused with what was expected, and where, on one line.
func TestMistakes(t *testing.T) {
	place := regexp.MustCompile(`Caddyfile:\d+`)
	for _, file := range goldentest.Caddyfiles(t, "mistakes") {
		t.Run(file.Name(), func(t *testing.T) {
			out, _, err := adapt(t, file.Text)
			if err == nil {
				t.Fatalf("adapts to %s", out)
			}
			got := err.Error()
			if !place.MatchString(got) || strings.Contains(got, "\n") || !strings.Contains(got, "; ") {
				t.Errorf("the error does not say where and what is accepted, on one line: %s", got)
			}
			file.Check(t, got+"\n")
		})
	}
}
