package apikey_test

import (
	"errors"
	"testing"

	"github.com/socialpatra/keygate/apikey"
)

func TestCheckWorkspaceLimits(t *testing.T) {
	n := func(v int64) *int64 { return &v }
	tests := []struct {
		name              string
		perMinute, perDay *int64
		want              apikey.WorkspaceLimits
		field             string // of the error; empty: none
	}{
		{"both", n(600), n(100_000), apikey.WorkspaceLimits{PerMinute: 600, PerDay: 100_000}, ""},
		{"minute only", n(1), nil, apikey.WorkspaceLimits{PerMinute: 1}, ""},
		{"day only", nil, n(1), apikey.WorkspaceLimits{PerDay: 1}, ""},
		{"highest", n(1e9), n(1e9), apikey.WorkspaceLimits{PerMinute: 1e9, PerDay: 1e9}, ""},
		{"none", nil, nil, apikey.WorkspaceLimits{}, ""},
		{"minute zero", n(0), n(1), apikey.WorkspaceLimits{}, "per_minute"},
		{"day zero", n(1), n(0), apikey.WorkspaceLimits{}, "per_day"},
		{"negative", n(-1), nil, apikey.WorkspaceLimits{}, "per_minute"},
		{"minute too high", n(1e9 + 1), nil, apikey.WorkspaceLimits{}, "per_minute"},
		{"day too high", nil, n(1 << 32), apikey.WorkspaceLimits{}, "per_day"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := apikey.CheckWorkspaceLimits(tt.perMinute, tt.perDay)
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			var fe *apikey.FieldError
			if errors.As(err, &fe); (err == nil) != (tt.field == "") || fe != nil && fe.Field != tt.field {
				t.Errorf("error %v, want one for %q", err, tt.field)
			}
		})
	}
}

func TestCheckWorkspace(t *testing.T) {
	for _, name := range []string{"a", "acme", "7", "A.b_c-d"} {
		if err := apikey.CheckWorkspace(name); err != nil {
			t.Errorf("%q refused: %v", name, err)
		}
	}
	for _, name := range []string{"", "-a", ".a", "a b", "a/b", "ä", "a\n"} {
		var fe *apikey.FieldError
		if err := apikey.CheckWorkspace(name); !errors.As(err, &fe) || fe.Field != "workspace" {
			t.Errorf("%q: error %v, want one for workspace", name, err)
		}
	}
}
