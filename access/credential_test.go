package access

import (
	"regexp"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/apikey"
)

const testToken = "patra_7Hk2Qp9aX3bC_0123456789ABCDEFGHIJKLMNOPQRSTUV2YI9hn"

func TestCredential(t *testing.T) {
	bearer := func(s string) []string { return []string{"Bearer " + s} }
	for name, test := range map[string]struct {
		authorization, keyHeader []string
		token                    string
		reason                   Reason
		detail                   string
	}{
		"none":                      {nil, nil, "", MissingKey, ""},
		"bearer":                    {bearer(testToken), nil, testToken, Allowed, ""},
		"bearer in lower case":      {[]string{"bearer " + testToken}, nil, testToken, Allowed, ""},
		"bearer in upper case":      {[]string{"BEARER " + testToken}, nil, testToken, Allowed, ""},
		"more spaces":               {bearer("  " + testToken), nil, testToken, Allowed, ""},
		"any b64token":              {bearer("aZ09-._~+/=="), nil, "aZ09-._~+/==", Allowed, ""},
		"key header":                {nil, []string{testToken}, testToken, Allowed, ""},
		"as long as may be":         {nil, []string{strings.Repeat("a", 4096)}, strings.Repeat("a", 4096), Allowed, ""},
		"bearer as long as may be":  {bearer(strings.Repeat("a", 4089)), nil, strings.Repeat("a", 4089), Allowed, ""},
		"both":                      {bearer(testToken), []string{testToken}, "", MalformedRequest, credentialTwoPlaces},
		"both, one of them empty":   {bearer(testToken), []string{""}, "", MalformedRequest, credentialTwoPlaces},
		"basic beside a key":        {[]string{"Basic YTpi"}, []string{testToken}, testToken, Allowed, ""},
		"digest beside a key":       {[]string{`Digest username="patra_bot", qop=auth`}, []string{testToken}, testToken, Allowed, ""},
		"basic alone beside a key":  {[]string{"Basic"}, []string{testToken}, testToken, Allowed, ""},
		"long, beside a key":        {[]string{"Negotiate " + strings.Repeat("a", 15_000)}, []string{testToken}, testToken, Allowed, ""},
		"basic beside no key":       {[]string{"Basic YTpi"}, []string{""}, "", MalformedRequest, credentialEmpty},
		"basic beside a bad key":    {[]string{"Basic YTpi"}, []string{"a b"}, "", MalformedRequest, credentialBadChars},
		"basic beside two keys":     {[]string{"Basic YTpi"}, []string{testToken, testToken}, "", MalformedRequest, credentialRepeated},
		"two of basic beside a key": {[]string{"Basic YTpi", "Basic YTpi"}, []string{testToken}, "", MalformedRequest, credentialTwoPlaces},
		"bearer alone beside a key": {[]string{"Bearer"}, []string{testToken}, "", MalformedRequest, credentialTwoPlaces},
		"bearer, bad, beside a key": {[]string{"bearer a b"}, []string{testToken}, "", MalformedRequest, credentialTwoPlaces},
		"no scheme beside a key":    {[]string{"Basic: YTpi"}, []string{testToken}, "", MalformedRequest, credentialTwoPlaces},
		"nothing beside a key":      {[]string{""}, []string{testToken}, "", MalformedRequest, credentialTwoPlaces},
		"a bare key beside a key":   {[]string{testToken}, []string{testToken}, "", MalformedRequest, credentialTwoPlaces},
		"basic key beside a key":    {[]string{"Basic " + testToken}, []string{testToken}, "", MalformedRequest, credentialTwoPlaces},
		"key in digest beside one":  {[]string{`Digest username="` + testToken + `"`}, []string{testToken}, "", MalformedRequest, credentialTwoPlaces},
		"authorization twice":       {[]string{"Bearer " + testToken, "Bearer " + testToken}, nil, "", MalformedRequest, credentialRepeated},
		"key header twice":          {nil, []string{testToken, testToken}, "", MalformedRequest, credentialRepeated},
		"empty":                     {[]string{""}, nil, "", MalformedRequest, credentialEmpty},
		"empty key header":          {nil, []string{""}, "", MalformedRequest, credentialEmpty},
		"scheme alone":              {[]string{"Bearer"}, nil, "", MalformedRequest, credentialEmpty},
		"scheme and spaces":         {[]string{"Bearer   "}, nil, "", MalformedRequest, credentialEmpty},
		"token alone":               {[]string{testToken}, nil, "", MalformedRequest, credentialNotBearer},
		"part of a token alone":     {[]string{"patra_7Hk2"}, nil, "", MalformedRequest, credentialNotBearer},
		"a key after no scheme":     {[]string{testToken + " a"}, nil, "", MalformedRequest, credentialNotBearer},
		"opaque token alone":        {[]string{"up_live_0123456789abcdef"}, nil, "", MissingKey, ""},
		"basic":                     {[]string{"Basic YTpi"}, nil, "", MissingKey, ""},
		"basic in lower case":       {[]string{"basic YTpi"}, nil, "", MissingKey, ""},
		"basic alone":               {[]string{"Basic"}, nil, "", MissingKey, ""},
		"basic with a key":          {[]string{"Basic " + testToken}, nil, "", MissingKey, ""},
		"basic with anything":       {[]string{"Basic \xff\x01, Bearer a"}, nil, "", MissingKey, ""},
		"basic twice":               {[]string{"Basic YTpi", "Basic YTpi"}, nil, "", MalformedRequest, credentialRepeated},
		"digest":                    {[]string{`Digest username="a"`}, nil, "", MissingKey, ""},
		"every byte of a scheme":    {[]string{"!#$%&'*+-.^_`|~09azAZ x"}, nil, "", MissingKey, ""},
		"negotiate":                 {[]string{"Negotiate " + strings.Repeat("a", 15_000)}, nil, "", MissingKey, ""},
		"almost a scheme":           {[]string{"Bearer: " + testToken}, nil, "", MalformedRequest, credentialNotBearer},
		"comma after the scheme":    {[]string{"Basic, Bearer " + testToken}, nil, "", MalformedRequest, credentialNotBearer},
		"another scheme and a tab":  {[]string{"Basic\tYTpi"}, nil, "", MalformedRequest, credentialNotBearer},
		"non-ASCII scheme":          {[]string{"Bäsic YTpi"}, nil, "", MalformedRequest, credentialNotBearer},
		"a scheme that folds":       {[]string{"Bas\u0131c YTpi"}, nil, "", MalformedRequest, credentialNotBearer},
		"no space":                  {[]string{"Bearer" + testToken}, nil, "", MalformedRequest, credentialNotBearer},
		"tab for space":             {[]string{"Bearer\t" + testToken}, nil, "", MalformedRequest, credentialNotBearer},
		"space before":              {[]string{" Bearer " + testToken}, nil, "", MalformedRequest, credentialNotBearer},
		"space and tab":             {bearer("\t" + testToken), nil, "", MalformedRequest, credentialBadChars},
		"space after":               {bearer(testToken + " "), nil, "", MalformedRequest, credentialBadChars},
		"comma-joined":              {bearer(testToken + ", Bearer " + testToken), nil, "", MalformedRequest, credentialBadChars},
		"comma-joined key header":   {nil, []string{testToken + "," + testToken}, "", MalformedRequest, credentialBadChars},
		"two words":                 {bearer(testToken + " " + testToken), nil, "", MalformedRequest, credentialBadChars},
		"bearer in the key header":  {nil, []string{"Bearer " + testToken}, "", MalformedRequest, credentialBadChars},
		"quoted":                    {bearer(`"` + testToken + `"`), nil, "", MalformedRequest, credentialBadChars},
		"NUL":                       {bearer(testToken + "\x00"), nil, "", MalformedRequest, credentialBadChars},
		"non-ASCII":                 {bearer(testToken + "é"), nil, "", MalformedRequest, credentialBadChars},
		"= inside":                  {bearer("a=b"), nil, "", MalformedRequest, credentialBadChars},
		"= alone":                   {bearer("=="), nil, "", MalformedRequest, credentialBadChars},
		"percent-encoded":           {bearer("%70atra"), nil, "", MalformedRequest, credentialBadChars},
		"over-long":                 {bearer(strings.Repeat("a", 4090)), nil, "", MalformedRequest, credentialTooLong},
		"over-long, other scheme":   {[]string{strings.Repeat("a", 15_000)}, nil, "", MalformedRequest, credentialTooLong},
		"over-long, only spaces":    {bearer(strings.Repeat(" ", 15_000) + testToken), nil, "", MalformedRequest, credentialTooLong},
		"over-long in a key header": {nil, []string{strings.Repeat("a", 4097)}, "", MalformedRequest, credentialTooLong},
	} {
		t.Run(name, func(t *testing.T) {
			token, reason, detail := credential("patra", &Request{Authorization: test.authorization, KeyHeader: test.keyHeader}, nil)
			if token != test.token || reason != test.reason || detail != test.detail {
				t.Errorf("credential = %q, %s, %q; want %q, %s, %q", token, reason, detail, test.token, test.reason, test.detail)
			}
		})
	}
}

var (
	authorizationField = regexp.MustCompile(`\A(?i:bearer) +([A-Za-z0-9._~+/-]+=*)\z`)
	otherScheme        = regexp.MustCompile("\\A([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?: (?s:.*))?\\z")
)

// The grammar of RFC 6750 §2.1 decides what is well formed, and that of RFC
// 9110 §11.4 what is of another scheme.
func FuzzAuthorization(f *testing.F) {
	for _, s := range []string{
		"", "Bearer", "Bearer ", "bearer a", "BEARER  a==", "Bearer a b", "Bearer a,b", "Bearer\ta", "Basic YTpi", "Bearer =", "Bearer a=b", "Bearer a\x00",
		"Bearer " + testToken, " Bearer a", "Bearer é", "Bearer a\n", "Basic", "Basic\ta", "Basic: a", testToken, "x" + testToken + " a", "Digest a=\"" + testToken + "\"",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		want, wantReason, foreign := "", MalformedRequest, false
		if m := otherScheme.FindStringSubmatch(value); m != nil && !strings.EqualFold(m[1], "bearer") && !strings.Contains(m[1], "patra_") && len(m[1]) <= maxCredentialLen {
			wantReason, foreign = MissingKey, true
		} else if m := authorizationField.FindStringSubmatch(value); m != nil && len(value) <= maxCredentialLen {
			want, wantReason = m[1], Allowed
		}
		token, reason, detail := credential("patra", &Request{Authorization: []string{value}}, nil)
		if token != want || reason != wantReason || (detail != "") != (wantReason == MalformedRequest) {
			t.Fatalf("credential(%q) = %q, %s, %q; want %q, %s", value, token, reason, detail, want, wantReason)
		}
		// Beside the key header only what is of another scheme may stand, and
		// then no token of ours in it: it goes to the backend.
		_, reason, _ = credential("patra", &Request{Authorization: []string{value}, KeyHeader: []string{testToken}}, nil)
		if (reason == Allowed) != (foreign && !apikey.ContainsToken(value)) {
			t.Fatalf("credential(%q) beside a key: %s", value, reason)
		}
	})
}
