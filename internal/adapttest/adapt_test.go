package adapttest

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestAdapt(t *testing.T) {
	got, warnings, err := Adapt(t, "Caddyfile", ":8080 {\n\trespond ok\n}\n")
	if err != nil || len(warnings) > 0 || !strings.Contains(got, "\t\"handler\": \"static_response\"") {
		t.Errorf("%s, %v, %v", got, warnings, err)
	}
	if _, _, err := Adapt(t, "Caddyfile", ":8080 {\n\tnothing\n}\n"); err == nil || !strings.Contains(err.Error(), "Caddyfile:2") {
		t.Errorf("a directive that is none: %v", err)
	}
}

func TestJSONFields(t *testing.T) {
	type options struct {
		Some   string `json:"some,omitempty"`
		Other  int    `json:"other"`
		hidden bool
	}
	_ = options{}.hidden
	if got := JSONFields(reflect.TypeFor[options](), "handler"); !slices.Equal(got, []string{"handler", "other", "some"}) {
		t.Errorf("%v", got)
	}
}
