package response

import (
	"net/http"
	"strings"
	"testing"
)

// Pages may read what Keygate says, what the config names, and what the backend
// itself exposes: each once, in whatever case.
func TestExposedHeaders(t *testing.T) {
	const ours = "RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, Request-Id, Key-Expires"
	for name, test := range map[string]struct {
		config  []string
		backend []string
		want    string
	}{
		"ours":                    {nil, nil, ours},
		"config":                  {[]string{"X-Total", "ratelimit"}, nil, ours + ", X-Total"},
		"config twice":            {[]string{"X-Total", "x-total"}, nil, ours + ", X-Total"},
		"backend":                 {nil, []string{"X-Next, Link"}, ours + ", X-Next, Link"},
		"backend in two fields":   {nil, []string{"X-Next", "Link"}, ours + ", X-Next, Link"},
		"backend repeats":         {nil, []string{"X-Next,x-next , X-NEXT", "x-Next"}, ours + ", X-Next"},
		"backend repeats ours":    {nil, []string{"request-id, retry-after"}, ours},
		"backend repeats config":  {[]string{"X-Total"}, []string{"x-total, Link"}, ours + ", X-Total, Link"},
		"all":                     {nil, []string{"*"}, ours + ", *"},
		"all, and more":           {nil, []string{"*, X-Next", "*"}, ours + ", *, X-Next"},
		"nothing in it":           {nil, []string{"", " , ,", "\t"}, ours},
		"spaces":                  {nil, []string{" \tX-Next\t , Link "}, ours + ", X-Next, Link"},
		"what are no names":       {nil, []string{`X Next, "Link", X-é, a=b, ok`}, ours + ", ok"},
		"a part of another":       {nil, []string{"Retry, RateLimit-Policy-X"}, ours + ", Retry, RateLimit-Policy-X"},
		"many":                    {nil, []string{strings.Repeat("X-Next, ", 100) + "Link"}, ours + ", X-Next, Link"},
		"names with odd bytes":    {nil, []string{"X_Next, X.Next, X~Next"}, ours + ", X_Next, X.Next, X~Next"},
		"backend repeats two all": {nil, []string{"*", "*"}, ours + ", *"},
	} {
		t.Run(name, func(t *testing.T) {
			c := NewCORS(CORSOptions{ExposeHeaders: test.config}, "")
			for range 2 { // what the first response was told is not the second's
				h := http.Header{
					"Access-Control-Allow-Origin":      {"*"},
					"Access-Control-Allow-Credentials": {"true"},
				}
				if test.backend != nil {
					h["Access-Control-Expose-Headers"] = test.backend
				}
				c.Apply(h, "https://shop.example", new(Values))
				if got := strings.Join(h["Access-Control-Expose-Headers"], "\n"); got != test.want {
					t.Errorf("exposes %q, want %q", got, test.want)
				}
				if len(h["Access-Control-Allow-Credentials"]) > 0 || h.Get("Access-Control-Allow-Origin") != "https://shop.example" {
					t.Errorf("the rest is not ours: %v", h)
				}
				c.Apply(h, "", new(Values))
				if h["Access-Control-Expose-Headers"] != nil {
					t.Errorf("without an origin: %v", h)
				}
			}
			if got := NewCORS(CORSOptions{}, "").exposed; got != ours {
				t.Errorf("without a config: %q", got)
			}
		})
	}
}

// A response that exposes nothing of its own costs nothing to tell so.
func TestExposedHeadersAreShared(t *testing.T) {
	c := NewCORS(CORSOptions{ExposeHeaders: []string{"X-Total"}}, "")
	h, values := make(http.Header), new(Values)
	if n := testing.AllocsPerRun(100, func() {
		values.used = 0
		c.Apply(h, "https://shop.example", values)
		delete(h, "Access-Control-Expose-Headers")
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
