package identity

import (
	"net/http"
	"slices"
	"strings"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/internal/headers"
)

// unwanted has the names of headers that Envoy is to take off a request, folded.
type unwanted struct {
	overrides []string // what makes backends serve another request than the one judged
	keyHeader string   // "": none
	claims    []string // the identity headers

	keyed, public string // the usual lists
}

func newUnwanted(keyHeader string, claims ...string) (u unwanted) {
	u.keyHeader, u.claims = keyHeader, claims
	for name, why := range headers.Removed {
		if why == headers.Override {
			u.overrides = append(u.overrides, name)
		}
	}
	slices.Sort(u.overrides)
	u.keyed = u.list(true, true, true, false)
	u.public = u.list(true, true, true, true)
	return u
}

func (u *unwanted) list(overrides, keyHeader, authorization, claims bool) string {
	var names []string
	if overrides {
		names = append(names, u.overrides...)
	}
	if keyHeader && u.keyHeader != "" {
		names = append(names, u.keyHeader)
	}
	if authorization {
		names = append(names, "authorization")
	}
	if claims {
		names = append(names, u.claims...)
	}
	return strings.Join(names, ", ")
}

// Unwanted returns the names that Envoy is to take off a request that may pass, whose
// headers are h: those that a gateway which passes it on takes off itself. A request
// without an identity loses every claim of one.
func (id *Headers) Unwanted(p *access.Policy, d *access.Decision, h http.Header, keyHeader string) string {
	u := &id.unwanted
	switch kept := d.Untouched; {
	case d.Identified() && kept == access.Untouched{}:
		return u.keyed
	case d.Identified():
		return u.list(true, !kept.KeyHeader, !kept.Authorization, false)
	case d.Foreign:
		return u.list(!p.Report, !kept.KeyHeader, !kept.Authorization, true)
	case p.Report:
		holds := func(value string) bool { return access.HoldsToken(p.Brand, value) }
		return u.list(false, slices.ContainsFunc(h[keyHeader], holds), slices.ContainsFunc(h["Authorization"], holds), true)
	default:
		return u.public
	}
}
