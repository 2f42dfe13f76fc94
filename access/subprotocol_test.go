package access

import (
	"slices"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/apikey"
)

func TestTakeTokens(t *testing.T) {
	const carrying = TokenProtocol + testToken
	for name, test := range map[string]struct{ values, tokens, rest []string }{
		"no header":              {nil, nil, nil},
		"others":                 {[]string{"graphql-ws, app", "v2"}, nil, []string{"graphql-ws, app", "v2"}},
		"alone":                  {[]string{carrying}, []string{testToken}, nil},
		"first":                  {[]string{carrying + ", app"}, []string{testToken}, []string{"app"}},
		"last":                   {[]string{"app, " + carrying}, []string{testToken}, []string{"app"}},
		"between":                {[]string{"app,\t" + carrying + " ,v2"}, []string{testToken}, []string{"app, v2"}},
		"a line of its own":      {[]string{"app", carrying, "v2"}, []string{testToken}, []string{"app", "v2"}},
		"no spaces":              {[]string{"app," + carrying + ",v2"}, []string{testToken}, []string{"app, v2"}},
		"empty elements":         {[]string{", " + carrying + ", ,app,"}, []string{testToken}, []string{"app"}},
		"two":                    {[]string{carrying + ", " + carrying}, []string{testToken, testToken}, nil},
		"two in two lines":       {[]string{carrying, "app, " + carrying}, []string{testToken, testToken}, []string{"app"}},
		"in any case":            {[]string{"KeyGate.Token." + testToken + ", app"}, []string{testToken}, []string{"app"}},
		"an opaque one":          {[]string{TokenProtocol + "up_live_1"}, []string{"up_live_1"}, nil},
		"without a token":        {[]string{TokenProtocol + ", app"}, []string{""}, []string{"app"}},
		"in quotes":              {[]string{`"` + carrying + `", app`}, []string{`"` + carrying + `"`}, []string{"app"}},
		"behind something":       {[]string{"x-" + carrying}, []string{"x-" + carrying}, nil},
		"a bare token":           {[]string{testToken + ", app"}, nil, []string{"app"}},
		"a token in a name":      {[]string{"auth." + testToken + ", app"}, nil, []string{"app"}},
		"nearly the same prefix": {[]string{"keygate.tokens, app"}, nil, []string{"keygate.tokens, app"}},
	} {
		t.Run(name, func(t *testing.T) {
			before := slices.Clone(test.values)
			tokens, rest := TakeTokens(test.values)
			if !slices.Equal(tokens, test.tokens) || !slices.Equal(rest, test.rest) || !slices.Equal(before, test.values) {
				t.Errorf("%q and %q, want %q and %q", tokens, rest, test.tokens, test.rest)
			}
		})
	}
}

// Whatever a client sends, the backend sees no token, and every other element as
// it was and where it was.
func FuzzTakeTokens(f *testing.F) {
	for _, s := range []string{"app", TokenProtocol + testToken + ", app", "a\n" + TokenProtocol, testToken + ",,b", "KEYGATE.TOKEN.\nv2 , x", "\u212aeygate.token.a, İkeygate.token.b", `"keygate.token.a", b`} {
		f.Add(s)
	}
	elements := func(values []string) (all []string) {
		for _, value := range values {
			for e := range strings.SplitSeq(value, ",") {
				if e = strings.Trim(e, " \t"); e != "" {
					all = append(all, e)
				}
			}
		}
		return all
	}
	f.Fuzz(func(t *testing.T, s string) {
		values := strings.Split(s, "\n")
		tokens, rest := TakeTokens(values)
		var want []string
		for _, e := range elements(values) {
			if !strings.Contains(lowered(e), TokenProtocol) && !apikey.ContainsToken(e) {
				want = append(want, e)
			}
		}
		if got := elements(rest); !slices.Equal(got, want) {
			t.Errorf("the backend sees %q of %q, want %q", got, values, want)
		}
		if all := strings.Join(rest, ","); strings.Contains(lowered(all), TokenProtocol) || apikey.ContainsToken(all) {
			t.Errorf("a token is left in %q", rest)
		}
		if len(tokens) > 0 && !strings.Contains(lowered(s), TokenProtocol) {
			t.Errorf("%q of %q", tokens, s)
		}
	})
}

// A token in a subprotocol opens WebSockets on routes that take them, and nothing
// else. Beside another credential it is one too many.
func TestTokenInASubprotocol(t *testing.T) {
	k := newKeys()
	p := testPolicy(t, k)
	token, _ := k.add(t, nil)
	bound, _ := k.add(t, func(k *apikey.Key) { k.AllowedOrigins = []string{"https://shop.example"} })
	for name, test := range map[string]struct {
		method, path string
		webSocket    bool
		tokens       []string
		change       func(*Request)
		want         Reason
		detail       string
	}{
		"a WebSocket":           {"GET", "/v1/queue/live", true, []string{token}, nil, Allowed, ""},
		"not a WebSocket":       {"GET", "/v1/queue/live", false, []string{token}, nil, MissingKey, ""},
		"another method":        {"POST", "/v1/queue/live", true, []string{token}, nil, MissingKey, ""},
		"a route that is none":  {"GET", "/v1/posts", true, []string{token}, nil, MissingKey, ""},
		"no route":              {"GET", "/v1/nothing", true, []string{token}, nil, MissingKey, ""},
		"public":                {"GET", "/v1/status/live", true, []string{token}, nil, Allowed, ""},
		"twice":                 {"GET", "/v1/queue/live", true, []string{token, token}, nil, MalformedRequest, credentialRepeated},
		"empty":                 {"GET", "/v1/queue/live", true, []string{""}, nil, MalformedRequest, credentialEmpty},
		"bad characters":        {"GET", "/v1/queue/live", true, []string{`"` + token}, nil, MalformedRequest, credentialBadChars},
		"wrong":                 {"GET", "/v1/queue/live", true, []string{testToken}, nil, InvalidKey, ""},
		"beside another":        {"GET", "/v1/queue/live", true, []string{token}, func(q *Request) { q.Authorization = []string{"Bearer " + token} }, MalformedRequest, credentialTwoPlaces},
		"beside Basic":          {"GET", "/v1/queue/live", true, []string{token}, func(q *Request) { q.Authorization = []string{"Basic YTpi"} }, MalformedRequest, credentialTwoPlaces},
		"beside the key header": {"GET", "/v1/queue/live", true, []string{token}, func(q *Request) { q.KeyHeader = []string{token} }, MalformedRequest, credentialTwoPlaces},
		"of no meaning beside":  {"GET", "/v1/posts", false, []string{token}, func(q *Request) { q.Authorization = []string{"Bearer " + token} }, Allowed, ""},
		"another page":          {"GET", "/v1/queue/live", true, []string{bound}, func(q *Request) { q.Origins = []string{"https://evil.example"} }, OriginNotAllowed, ""},
		"the page":              {"GET", "/v1/queue/live", true, []string{bound}, func(q *Request) { q.Origins = []string{"https://shop.example"} }, Allowed, ""},
	} {
		t.Run(name, func(t *testing.T) {
			q := request(test.method, test.path, "")
			q.WebSocket, q.ProtocolTokens = test.webSocket, test.tokens
			if test.change != nil {
				test.change(q)
			}
			if d := p.Decide(q); d.Reason != test.want || test.detail != "" && d.Detail != test.detail {
				t.Errorf("Decide = %s, %q; want %s", d.Reason, d.Detail, test.want)
			}
		})
	}
}
