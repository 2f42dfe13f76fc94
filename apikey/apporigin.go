package apikey

import "strings"

// appScheme is a scheme of apps or extensions. Their origins have a host without
// a port, and no wildcards: the hosts of one scheme belong to different owners.
type appScheme struct {
	isHost   func(string) bool // of a host in lower case
	problem  string
	accepted string
}

// appSchemes has the schemes in the order in which people are told of them.
var appSchemes = []struct {
	name string
	appScheme
}{
	{"chrome-extension", appScheme{
		isChromeExtension, "has no ID of an extension",
		"the extension's ID, 32 letters from a to p, such as chrome-extension://abcdefghijklmnopabcdefghijklmnop",
	}},
	{"moz-extension", appScheme{
		isUUID, "has no ID of an extension",
		"the extension's internal UUID, such as moz-extension://0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9",
	}},
	{"capacitor", app},
	{"ionic", app},
	{"tauri", app},
	// Electron apps choose any host; frameworks choose "." and "-" for them.
	{"app", appScheme{func(s string) bool { return s == "." || isAppHost(s) }, app.problem, app.accepted}},
}

var app = appScheme{
	isAppHost, "has a host that is not a name",
	"the host that the app serves itself under, such as capacitor://localhost",
}

// acceptedSchemes is for people who wrote another one.
var acceptedSchemes = func() string {
	var names []string
	for _, s := range appSchemes {
		names = append(names, s.name)
	}
	return "http, https, or of apps and extensions " + strings.Join(names, ", ")
}()

func appSchemeOf(name string) (appScheme, bool) {
	for _, s := range appSchemes {
		if s.name == name {
			return s.appScheme, true
		}
	}
	return appScheme{}, false
}

// origin reads the host of an origin. Web views write it in lower case.
func (a *appScheme) origin(scheme, host string) (o Origin, problem, accepted string) {
	host = strings.ToLower(host)
	switch {
	case strings.Contains(host, "*"):
		return o, "has a wildcard", a.accepted
	case strings.Contains(host, ":"):
		return o, "has a port", a.accepted
	case !a.isHost(host):
		return o, a.problem, a.accepted
	default:
		return Origin{exact: scheme + host}, "", ""
	}
}

// isChromeExtension reports whether s is an extension's ID: 128 bits in letters
// that stand for hexadecimal digits.
func isChromeExtension(s string) bool {
	for i := range len(s) {
		if s[i] < 'a' || s[i] > 'p' {
			return false
		}
	}
	return len(s) == 32
}

// isUUID matches the form of RFC 9562 §4, in lower case.
func isUUID(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case !isDigit(c) && (c < 'a' || c > 'f'):
			return false
		}
	}
	return len(s) == 36
}

// isAppHost accepts names of labels. A name that ends in a number is one that some
// web views turn into an address.
func isAppHost(s string) bool {
	labels := strings.Split(s, ".")
	for _, label := range labels {
		if len(label) > maxLabelLen {
			return false
		}
	}
	return isHost(s) && len(s) <= maxHostLen && !endsInNumber(labels[len(labels)-1])
}
