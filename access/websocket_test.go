package access

import "testing"

func TestWebSocket(t *testing.T) {
	k := newKeys()
	p := testPolicy(t, k)
	token, _ := k.add(t, nil)
	for _, test := range []struct {
		method, path, token string
		want                Reason
	}{
		{"GET", "/v1/queue/live", token, Allowed},
		{"GET", "/v1/queue/live", "", MissingKey},
		{"POST", "/v1/queue/live", token, RouteNotMapped},
		{"GET", "/v1/posts", token, RouteNotMapped},
		{"GET", "/v1/posts", "", MissingKey},
		{"GET", "/v1/status/live", "", Allowed},
		{"GET", "/v1/status", "", RouteNotMapped},
	} {
		t.Run(test.method+" "+test.path, func(t *testing.T) {
			q := request(test.method, test.path, test.token)
			q.WebSocket = true
			d := p.Decide(q)
			if d.Reason != test.want || (d.Detail == routeNoWebSocket) != (test.want == RouteNotMapped) {
				t.Errorf("Decide = %s, %q; want %s", d.Reason, d.Detail, test.want)
			}
			q.WebSocket = false
			if d := p.Decide(q); test.want == RouteNotMapped && test.token != "" && d.Reason != Allowed {
				t.Errorf("without upgrade: %s", d.Reason)
			}
		})
	}
}
