package access

import (
	"net/netip"
	"testing"

	"github.com/socialpatra/keygate/apikey"
)

func TestClientAddress(t *testing.T) {
	k := newKeys()
	p := testPolicy(t, k)
	anywhere, _ := k.add(t, nil)
	bound, _ := k.add(t, func(key *apikey.Key) { key.AllowedIPs = []string{"203.0.113.7", "198.51.100.0/24", "2001:db8::/32"} })
	elsewhere, _ := k.add(t, func(key *apikey.Key) { key.AllowedOrigins = []string{"https://shop.example"} })
	for _, test := range []struct {
		token, client string
		want          Reason
	}{
		{bound, "203.0.113.7", Allowed},
		{bound, "203.0.113.8", IPNotAllowed},
		{bound, "198.51.100.255", Allowed},
		{bound, "198.51.101.0", IPNotAllowed},
		{bound, "2001:db8:1::1", Allowed},
		{bound, "2001:db9::1", IPNotAllowed},
		{bound, "", IPNotAllowed},
		{bound, "fe80::1%eth0", IPNotAllowed},
		{anywhere, "", Allowed},
		{anywhere, "203.0.113.8", Allowed},
		{elsewhere, "203.0.113.8", Allowed},
	} {
		t.Run(test.client, func(t *testing.T) {
			q := request("GET", "/v1/posts", test.token)
			q.Origins = []string{"https://shop.example"}
			q.Client = netip.Addr{}
			if test.client != "" {
				q.Client = netip.MustParseAddr(test.client)
			}
			if d := p.Decide(q); d.Reason != test.want || !d.Authenticated {
				t.Errorf("from %q: %s, authenticated %v; want %s", test.client, d.Reason, d.Authenticated, test.want)
			}
		})
	}
}

func TestOrigins(t *testing.T) {
	k := newKeys()
	anywhere, _ := k.add(t, nil)
	bound, _ := k.add(t, func(key *apikey.Key) {
		key.AllowedOrigins = []string{"https://shop.example", "https://*.app.example:8443"}
	})
	for name, test := range map[string]struct {
		token   string
		origins []string
		missing bool // AllowMissingOrigin
		want    Reason
	}{
		"exact":                     {bound, []string{"https://shop.example"}, false, Allowed},
		"wildcard":                  {bound, []string{"https://a.b.app.example:8443"}, false, Allowed},
		"wildcard, other port":      {bound, []string{"https://a.app.example"}, false, OriginNotAllowed},
		"wildcard, the host itself": {bound, []string{"https://app.example:8443"}, false, OriginNotAllowed},
		"wildcard, no label":        {bound, []string{"https://evilapp.example:8443"}, false, OriginNotAllowed},
		"other scheme":              {bound, []string{"http://shop.example"}, false, OriginNotAllowed},
		"upper case":                {bound, []string{"https://SHOP.example"}, false, OriginNotAllowed},
		"suffix":                    {bound, []string{"https://shop.example.evil.example"}, false, OriginNotAllowed},
		"trailing dot":              {bound, []string{"https://shop.example."}, false, OriginNotAllowed},
		"default port":              {bound, []string{"https://shop.example:443"}, false, OriginNotAllowed},
		"null":                      {bound, []string{"null"}, true, OriginNotAllowed},
		"empty":                     {bound, []string{""}, true, OriginNotAllowed},
		"two":                       {bound, []string{"https://shop.example", "https://shop.example"}, true, OriginNotAllowed},
		"none":                      {bound, nil, false, OriginNotAllowed},
		"none, as configured":       {bound, nil, true, Allowed},
		"not bound, none":           {anywhere, nil, false, Allowed},
		"not bound, null":           {anywhere, []string{"null"}, false, Allowed},
		"not bound, two":            {anywhere, []string{"a", "b"}, false, Allowed},
	} {
		t.Run(name, func(t *testing.T) {
			p := testPolicy(t, k)
			p.AllowMissingOrigin = test.missing
			q := request("GET", "/v1/posts", test.token)
			q.Origins = test.origins
			if d := p.Decide(q); d.Reason != test.want || !d.Authenticated {
				t.Errorf("Decide = %s, authenticated %v; want %s", d.Reason, d.Authenticated, test.want)
			}
		})
	}
}
