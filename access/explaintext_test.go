package access

import (
	"strings"
	"testing"
)

// What a request sends as its credential is not shown where else it stands, with
// whatever spaces it came.
func TestExplainShowsNoCredential(t *testing.T) {
	k := newKeys()
	p := testPolicy(t, k)
	const secret = "s3cr3t-of-another-system"
	for _, value := range []string{secret, " " + secret, secret + " ", "  " + secret + "  ", "Bearer " + secret, "Bearer  " + secret + " ", " Bearer " + secret, "Basic " + secret, secret + "\t", "Bearer\t" + secret, "\tBearer \t" + secret + "\t "} {
		for _, q := range []*Request{
			{Authorization: []string{value}}, {KeyHeader: []string{value}}, {Authorization: []string{"Bearer x", value}}, {KeyHeader: []string{"", value}},
		} {
			q.Method, q.Path, q.Query, q.Origins, q.Now = "GET", "/v1/"+secret, "key="+secret, []string{"https://" + secret}, now
			for _, c := range p.Explain(q, nil).Checks {
				if strings.Contains(c.Compared+c.Fix, secret) {
					t.Errorf("%+v is told of as %+v", q, c)
				}
			}
		}
	}
	q := &Request{Method: "GET", Path: "/v1/posts", Authorization: []string{"Bearer "}, KeyHeader: []string{"", " "}, Now: now}
	if c := find(t, p.Explain(q, nil), "shape"); c.Compared != `method "GET", path "/v1/posts"` {
		t.Errorf("beside empty credentials: %s", c.Compared)
	}
}

// What is denied is told with what the path has otherwise.
func TestExplainDenied(t *testing.T) {
	k := newKeys()
	_, id := k.add(t, nil)
	table := mustTable(t,
		Route{Methods: []string{"GET", "PATCH"}, Pattern: "/a", Access: Authenticated},
		Route{Methods: []string{"POST", "DELETE"}, Pattern: "/a", Access: Denied},
		Route{Methods: []string{"POST"}, Pattern: "/b", Access: Denied},
		Route{Methods: []string{"GET"}, Pattern: "/c/", Access: Authenticated},
		Route{Methods: []string{"GET"}, Pattern: "/d/", Access: Denied},
	)
	p := &Policy{Brand: "patra", Keys: k, Table: table}
	for request, want := range map[string]string{
		"POST /a":  "Send another method, or map this one: the path has GET, HEAD, PATCH.",
		"PUT /a":   "Send another method, or map this one: the path has GET, HEAD, PATCH.",
		"POST /b":  routeDenied,
		"GET /b":   routeNotMapped,
		"GET /c":   "Send the path exactly as in the route GET /c/: case counts, and so do a slash and a format such as .json at the end.",
		"POST /c/": "Send another method, or map this one: the path has GET, HEAD.",
		"GET /d":   routeNotMapped,
	} {
		method, path, _ := strings.Cut(request, " ")
		e := p.Explain(&Request{Method: method, Path: path, Now: now}, &Identified{ID: id, Grant: k.grants[id]})
		if c := find(t, e, "route"); c.Fix != want {
			t.Errorf("%s: %s, want %s", request, c.Fix, want)
		}
	}
}
