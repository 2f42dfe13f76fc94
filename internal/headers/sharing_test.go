package headers

import "testing"

func TestSharedOnPurpose(t *testing.T) {
	for said, want := range map[string]bool{
		"":                            false,
		"max-age=60":                  false,
		"public":                      true,
		"Public, max-age=60":          true,
		"no-store":                    true,
		`private="set-cookie"`:        false,
		`x="public"`:                  false,
		`x="a, public`:                false,
		`x="a\\", public`:             true,
		"s-maxage=60":                 true,
		`s-maxage="60"`:               true,
		`s-maxage="`:                  false,
		"s-maxage=":                   false,
		"s-maxage=-1":                 false,
		"max-age=1 , private":         true,
		"no-store=1":                  false,
		"must-revalidate, s-maxage=0": true,
	} {
		if got := SharedOnPurpose(said); got != want {
			t.Errorf("%s: %t", said, got)
		}
	}
}
