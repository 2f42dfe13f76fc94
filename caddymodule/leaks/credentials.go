package leaks

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/tokenscan"
)

// layers is how often a text may be escaped over for a scan to find a token in it,
// and one for the text itself.
const layers = 4

// maxTokens bounds how many tokens of a request are dealt with.
const maxTokens = 100

// credentials is what a request has of them.
type credentials struct {
	brand string
	any   bool // something that is a credential, or looks like one of ours

	tokens  []string // of our own form, of any brand
	strange []string // what may be tokens of other systems
}

// credentialsOf finds the credentials of a request. These are
//
//   - whatever is in Authorization, of any scheme, and in the headers that carry
//     tokens for a keygate handler;
//   - the query parameter access_token (RFC 6750 §2.3);
//   - a token of our form, of any brand, wherever it is in the URL or in a header,
//     also escaped, and in the name and password of Basic;
//   - what begins like a token of our own brand, up to its ID, in these places.
//
// A body is not looked at.
func credentialsOf(r *http.Request, brand string, keyHeaders []string) *credentials {
	c := &credentials{brand: brand}
	for name, values := range r.Header {
		carries := name == "Authorization" || slices.Contains(keyHeaders, name)
		for _, value := range values {
			c.look(value)
			if carries && strings.TrimSpace(value) != "" {
				c.any = true
				c.lookInto(value)
			} else if name == "Proxy-Authorization" {
				c.lookIntoBasic(value)
			}
		}
	}
	for _, text := range []string{r.Host, r.RequestURI, r.URL.Path, r.URL.RawQuery} {
		c.look(text)
	}
	query, _ := url.ParseQuery(r.URL.RawQuery) // what does not parse is left out
	for name, values := range query {
		for _, value := range values {
			c.look(name)
			c.look(value)
			if name == "access_token" && value != "" {
				c.any = true
				c.suspect(value)
			}
		}
	}
	return c
}

// look finds tokens of our form in a text.
func (c *credentials) look(text string) {
	if len(text) < apikey.IDLen {
		return
	}
	for _, find := range tokenscan.In(text) {
		c.any = true
		c.add(&c.tokens, find.Token())
	}
	for range layers {
		c.any = c.any || apikey.ContainsToken(text) || beginsToken(text, c.brand)
		inner := tokenscan.Unescaped(text)
		if c.any || inner == text {
			return
		}
		text = inner
	}
}

// lookInto finds what a reader could take for the token in the value of a header
// that carries one: alone or after a scheme, and if there are several in it, each.
func (c *credentials) lookInto(value string) {
	c.lookIntoBasic(value)
	c.suspect(strings.TrimSpace(value))
	for part := range strings.SplitSeq(value, ",") {
		part = strings.TrimSpace(part)
		c.suspect(part)
		if scheme, rest, ok := strings.Cut(part, " "); ok && strings.EqualFold(scheme, "Bearer") {
			c.suspect(strings.TrimSpace(rest))
		}
	}
}

// lookIntoBasic looks at name and password (RFC 7617).
func (c *credentials) lookIntoBasic(value string) {
	scheme, rest, _ := strings.Cut(strings.TrimSpace(value), " ")
	if !strings.EqualFold(scheme, "Basic") {
		return
	}
	plain, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.TrimSpace(rest), "="))
	if err != nil {
		return
	}
	c.look(string(plain))
	name, password, _ := strings.Cut(string(plain), ":")
	c.suspect(name)
	c.suspect(password)
}

// suspect notes what may be the token of another system, which a keygate handler
// takes only without spaces and commas.
func (c *credentials) suspect(text string) {
	if text != "" && !strings.ContainsAny(text, " \t,") && !slices.Contains(c.tokens, text) {
		c.add(&c.strange, text)
	}
}

func (c *credentials) add(list *[]string, text string) {
	if len(*list) < maxTokens && !slices.Contains(*list, text) {
		*list = append(*list, text)
	}
}

// beginsToken reports whether a text has brand, ID and the underscore behind them.
func beginsToken(text, brand string) bool {
	for {
		i := strings.Index(text, brand+"_")
		if i < 0 {
			return false
		}
		text = text[i+len(brand)+1:]
		if len(text) > apikey.IDLen && text[apikey.IDLen] == '_' {
			if _, err := apikey.ParseID(text[:apikey.IDLen]); err == nil {
				return true
			}
		}
	}
}
