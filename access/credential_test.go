package access

import (
	"regexp"
	"strings"
	"testing"
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
		"both, one of them basic":   {[]string{"Basic YTpi"}, []string{testToken}, "", MalformedRequest, credentialTwoPlaces},
		"authorization twice":       {[]string{"Bearer " + testToken, "Bearer " + testToken}, nil, "", MalformedRequest, credentialRepeated},
		"key header twice":          {nil, []string{testToken, testToken}, "", MalformedRequest, credentialRepeated},
		"empty":                     {[]string{""}, nil, "", MalformedRequest, credentialEmpty},
		"empty key header":          {nil, []string{""}, "", MalformedRequest, credentialEmpty},
		"scheme alone":              {[]string{"Bearer"}, nil, "", MalformedRequest, credentialEmpty},
		"scheme and spaces":         {[]string{"Bearer   "}, nil, "", MalformedRequest, credentialEmpty},
		"token alone":               {[]string{testToken}, nil, "", MalformedRequest, credentialNotBearer},
		"basic":                     {[]string{"Basic YTpi"}, nil, "", MalformedRequest, credentialNotBearer},
		"digest":                    {[]string{`Digest username="a"`}, nil, "", MalformedRequest, credentialNotBearer},
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
			token, reason, detail := credential(&Request{Authorization: test.authorization, KeyHeader: test.keyHeader})
			if token != test.token || reason != test.reason || detail != test.detail {
				t.Errorf("credential = %q, %s, %q; want %q, %s, %q", token, reason, detail, test.token, test.reason, test.detail)
			}
		})
	}
}

var authorizationField = regexp.MustCompile(`\A(?i:bearer) +([A-Za-z0-9._~+/-]+=*)\z`)

// The grammar of RFC 6750 §2.1 decides what is well formed.
func FuzzAuthorization(f *testing.F) {
	for _, s := range []string{
		"", "Bearer", "Bearer ", "bearer a", "BEARER  a==", "Bearer a b", "Bearer a,b", "Bearer\ta", "Basic YTpi", "Bearer =", "Bearer a=b", "Bearer a\x00",
		"Bearer " + testToken, " Bearer a", "Bearer é", "Bearer a\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		token, reason, detail := credential(&Request{Authorization: []string{value}})
		want := ""
		if m := authorizationField.FindStringSubmatch(value); m != nil && len(value) <= maxCredentialLen {
			want = m[1]
		}
		wantReason := MalformedRequest
		if want != "" {
			wantReason = Allowed
		}
		if token != want || reason != wantReason || (detail == "") != (want != "") {
			t.Fatalf("credential(%q) = %q, %s, %q; want %q, %s", value, token, reason, detail, want, wantReason)
		}
	})
}
