// Package adapttest asks Caddy what a Caddyfile says, and compares it with golden
// files in testdata: those in adapt with the JSON that comes of them, those in mistakes
// with the error. A package of directives calls it from tests of its own.
package adapttest

import (
	"bytes"
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/socialpatra/keygate/internal/goldentest"

	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/standard" // the directives around ours
)

// Adapt runs Caddy's own Caddyfile adapter on a file of this name, which imports are
// relative to. It returns indented JSON.
func Adapt(t testing.TB, name, caddyfile string) (string, []caddyconfig.Warning, error) {
	t.Helper()
	out, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), map[string]any{"filename": name})
	if err != nil {
		return "", nil, err
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, out, "", "\t"); err != nil {
		t.Fatal(err)
	}
	return pretty.String() + "\n", warnings, nil
}

// Adapts checks that each Caddyfile in testdata/adapt says what its golden file has,
// without a warning.
func Adapts(t *testing.T) {
	for _, file := range goldentest.Caddyfiles(t, "adapt") {
		t.Run(file.Name(), func(t *testing.T) {
			got, warnings, err := Adapt(t, "Caddyfile", file.Text)
			if err != nil || len(warnings) > 0 { // that caddy fmt would change it, for one
				t.Fatal(err, warnings)
			}
			file.Check(t, got)
		})
	}
}

// Mistakes checks that each Caddyfile in testdata/mistakes is refused with what was
// expected, and where, on one line.
func Mistakes(t *testing.T) {
	place := regexp.MustCompile(`Caddyfile:\d+`)
	for _, file := range goldentest.Caddyfiles(t, "mistakes") {
		t.Run(file.Name(), func(t *testing.T) {
			out, _, err := Adapt(t, "Caddyfile", file.Text)
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

// JSONFields returns the names that the exported fields of a struct have in JSON, and
// others, sorted.
func JSONFields(typ reflect.Type, others ...string) []string {
	names := slices.Clone(others)
	for field := range typ.Fields() {
		if field.IsExported() {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
