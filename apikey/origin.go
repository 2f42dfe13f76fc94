package apikey

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

const (
	acceptedOrigin = "http:// or https://, a host, and :port unless it is the default, such as https://shop.example or https://*.shop.example"
	maxOriginLen   = 1024 // bytes; a host name in punycode has at most 253
	maxHostLen     = 253  // RFC 1035 section 2.3.4, in text form
	maxLabelLen    = 63
)

// hostProfile maps host names as browsers do (WHATWG URL, domain to ASCII): UTS
// 46, non-transitional, with underscores and hyphens anywhere.
var hostProfile = idna.New(idna.MapForLookup(), idna.StrictDomainName(false), idna.CheckHyphens(false), idna.BidiRule())

// ParseOrigin reads http(s)://host[:port]. "*." may stand before a host name of
// two or more labels. The result is canonical: lower case, punycode, no default
// port, no trailing dot. It also reads the origins of apps and extensions, such as
// capacitor://localhost. Anything else, such as "null", "*" or a URL with a path,
// is refused, and the error gives the right form. The error is a [*FieldError]
// for "allowed_origins".
func ParseOrigin(s string) (Origin, error) {
	o, problem, accepted := parseOrigin(s)
	if problem != "" {
		return Origin{}, &FieldError{Field: "allowed_origins", Problem: problem, Accepted: accepted}
	}
	return o, nil
}

// parseOrigin returns the problem, and what would be accepted unless the problem
// already says so.
func parseOrigin(s string) (o Origin, problem, accepted string) {
	switch {
	case len(s) > maxOriginLen:
		return o, fmt.Sprintf("an entry has %d bytes", len(s)), acceptedOrigin
	case s == "":
		return o, "an entry is empty", acceptedOrigin
	case !utf8.ValidString(s): // idna accepts some of it
		return o, Quote(s) + " is not valid UTF-8", acceptedOrigin
	case s == "*":
		return o, `"*" is every origin`, "an empty allowed_origins to allow every origin"
	case strings.EqualFold(s, "null"):
		return o, `"null" is what sandboxed pages and local files send, so it tells nothing`, acceptedOrigin
	}
	shown := Quote(s)
	if strings.Contains(s, "@") {
		shown = "an entry" // the part before the @ may be a password
	}
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		if better, p, _ := parseOrigin("https://" + s); p == "" {
			return o, shown + " has no scheme (did you mean " + better.String() + "?)", ""
		}
		return o, shown + " is not an origin", acceptedOrigin
	}
	scheme = strings.ToLower(scheme)
	defaultPort, isWeb := map[string]uint64{"http": 80, "https": 443}[scheme]
	app, isApp := appSchemeOf(scheme)
	if !isWeb && !isApp {
		return o, shown + " has a scheme that is not accepted", acceptedSchemes
	}
	scheme += "://"
	if kind, without := extraPart(rest); kind != "" {
		if better, p, _ := parseOrigin(scheme + without); p == "" {
			return o, shown + " has a " + kind + " (leave out the " + kind + ": " + better.String() + ")", ""
		}
		return o, shown + " has a " + kind, acceptedOrigin
	}
	if isApp {
		if o, problem, accepted = app.origin(scheme, rest); problem != "" {
			problem = shown + " " + problem
		}
		return o, problem, accepted
	}

	host, port, problem := splitPort(rest)
	if problem != "" {
		return o, shown + " " + problem, acceptedOrigin
	}
	suffix := ""
	if port != 0 && port != defaultPort {
		suffix = ":" + strconv.FormatUint(port, 10)
	}
	parent, wildcard := strings.CutPrefix(host, "*.")
	host, isName, problem := canonicalHost(parent)
	if problem != "" {
		return o, shown + " " + problem, acceptedOrigin
	}
	switch {
	case !wildcard:
		return Origin{exact: scheme + host + suffix}, "", ""
	case !isName:
		return o, shown + " has a wildcard before an address", acceptedOrigin
	case !strings.Contains(host, "."):
		return o, shown + " is everything below a top-level domain", "*. before a host of two or more labels, such as https://*.shop.example"
	}
	return Origin{scheme: scheme, suffix: "." + host + suffix}, "", ""
}

// extraPart names the first part of s that an origin does not have, and returns
// the host and port alone. s is the text after the scheme.
func extraPart(s string) (kind, without string) {
	if i := strings.IndexAny(s, `/\?#`); i >= 0 {
		kind = map[byte]string{'/': "path", '\\': "path", '?': "query", '#': "fragment"}[s[i]]
		s = s[:i]
	}
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		kind, s = "user name", s[i+1:]
	}
	return kind, s
}

// splitPort returns port 0 if s has none.
func splitPort(s string) (host string, port uint64, problem string) {
	colon := strings.LastIndexByte(s, ':')
	if colon < 0 || strings.HasSuffix(s, "]") {
		return s, 0, ""
	}
	host, digits := s[:colon], s[colon+1:]
	port, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || port == 0 {
		return "", 0, "has a port that is not 1 to 65535"
	}
	return host, port, ""
}

// canonicalHost returns a host as browsers serialise it, and whether it is a name
// rather than an address.
func canonicalHost(s string) (host string, isName bool, problem string) {
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		a, err := netip.ParseAddr(s[1 : len(s)-1])
		if err != nil || !a.Is6() || a.Zone() != "" {
			return "", false, "has a host that is not an IPv6 address"
		}
		return "[" + serialiseIPv6(a) + "]", false, ""
	}
	if strings.Contains(s, "*") {
		return "", false, "has a * that is not the whole first label"
	}
	host, err := hostProfile.ToASCII(s)
	host = strings.TrimSuffix(host, ".")
	if err != nil || !isHost(host) || len(host) > maxHostLen {
		return "", false, "has a host that is not a name or address"
	}
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if len(label) > maxLabelLen {
			return "", false, "has a host with a label of more than 63 characters"
		}
	}
	// Browsers read any host whose last label is a number as IPv4, even 127.1 and
	// 0x7f.1. They serialise only the full form.
	if endsInNumber(labels[len(labels)-1]) {
		a, err := netip.ParseAddr(host)
		if err != nil {
			return "", false, "has a host that is not a full IPv4 address"
		}
		return a.String(), false, ""
	}
	return host, true, ""
}

// endsInNumber reports whether browsers treat a host with this last label as an
// IPv4 address (WHATWG URL, "ends in a number").
func endsInNumber(last string) bool {
	number, isHex := strings.CutPrefix(last, "0x")
	for i := range len(number) {
		if c := number[i]; !isDigit(c) && (!isHex || c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// serialiseIPv6 writes IPv4-mapped addresses in hexadecimal, as browsers do and
// netip does not.
func serialiseIPv6(a netip.Addr) string {
	if !a.Is4In6() {
		return a.String()
	}
	b := a.As16()
	return fmt.Sprintf("::ffff:%x:%x", uint(b[12])<<8|uint(b[13]), uint(b[14])<<8|uint(b[15]))
}

// Origin is one entry of a key's allowed_origins: an origin as browsers
// serialise it (RFC 6454 section 6.2), or a wildcard for all hosts below one.
// The zero Origin matches nothing. Origins compare with ==.
type Origin struct {
	exact  string // https://shop.example:8443, or ""
	scheme string // for a wildcard: https://
	suffix string // for a wildcard: .shop.example:8443
}

// String returns the canonical form, which [ParseOrigin] reads.
func (o Origin) String() string {
	if o.suffix != "" {
		return o.scheme + "*" + o.suffix
	}
	return o.exact
}

// Matches reports whether o covers the value of a request's Origin header. It
// compares exactly, because browsers serialise each origin in only one way. A
// wildcard stands for one or more whole labels. Matches does not allocate.
func (o Origin) Matches(origin string) bool {
	if o.suffix == "" {
		return o.exact != "" && origin == o.exact
	}
	rest, ok := strings.CutPrefix(origin, o.scheme)
	if !ok {
		return false
	}
	labels, ok := strings.CutSuffix(rest, o.suffix)
	return ok && isHost(labels)
}

// isHost reports whether s consists of labels of a-z, 0-9, hyphen and underscore,
// which browsers allow in the host of an origin.
func isHost(s string) bool {
	labelLen := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == '.' && labelLen > 0:
			labelLen = 0
		case isBrandChar(c) || c == '-' || c == '_':
			labelLen++
		default:
			return false
		}
	}
	return labelLen > 0
}
