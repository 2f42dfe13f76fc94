package caddyargs

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// CheckURL accepts an https URL, or an http one of this machine, of the characters
// that URLs are made of (RFC 3986 §2). So it can stand in a quoted string as it is.
// Credentials and a fragment are refused.
func CheckURL(option, value string) error {
	const accepted = "an https URL without a fragment, or an http one of this machine, such as https://api.example.com/.well-known/oauth-protected-resource"
	u, err := url.Parse(value)
	secure := err == nil && (u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname()))
	if !secure || u.Hostname() == "" || u.User != nil || strings.Contains(value, "#") || strings.ContainsFunc(value, isNoURLCharacter) {
		return fmt.Errorf("%s is not a URL that is accepted; accepted: %s", option, accepted) // it may hold a password
	}
	return nil
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

func isNoURLCharacter(r rune) bool {
	letter := 'a' <= r|0x20 && r|0x20 <= 'z'
	return r > '~' || !letter && (r < '0' || '9' < r) && !strings.ContainsRune("-._~:/?#[]@!$&'()*+,;=%", r)
}
