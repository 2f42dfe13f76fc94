// Package webhook tells other programs what happens to keys, by the rules of Standard
// Webhooks (https://www.standardwebhooks.com).
//
// What is told is the audit trail: each change writes it in its own transaction, so a
// change and its message are never parted. For each webhook the store keeps an outbox:
// how far in the trail it is, and which messages are still to be delivered. A message is
// in there, with its ID, before it is sent first, and leaves it when it is delivered,
// when it is three days old, or when there are too many.
//
//   - [Config] is what a config says, [Hook] what is in force.
//   - [Senders] run one worker for each webhook of a store; of a fleet, only one gateway
//     sends for a webhook at a time.
//   - A queue decides what is tried when. It does no I/O and is told the time.
//
// No body has a token, a hash, a name or a description. No log, error or metric has a
// secret or more of a URL than scheme and host.
package webhook

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Config is one webhook in a config.
type Config struct {
	// Where messages go: https, or http to this machine. Placeholders such as
	// {env.WEBHOOK_URL} are expanded when the config is loaded. Required.
	URL string `json:"url,omitempty"`

	// What messages are signed with: one secret, or two while one is being
	// changed, each a placeholder such as {file./run/secrets/webhook} that stands
	// for whsec_ and the base64 of 24–64 bytes. A literal secret is refused,
	// because whoever may read the config would see it. Required.
	Secrets []string `json:"secrets,omitempty"`

	// Which events are told, such as key.revoked. Default: all.
	Events []string `json:"events,omitempty"`
}

// MaxHooks is how many webhooks a config may have.
const MaxHooks = 16

// Hook is a webhook in force.
type Hook struct {
	URL     *url.URL
	Secrets []Secret
	Events  []string // none: all
}

// Name tells the webhooks of a store apart, and tells nothing of the URL.
func (h *Hook) Name() string {
	sum := sha256.Sum256([]byte("webhook " + h.URL.String()))
	return hex.EncodeToString(sum[:16])
}

// Place is what logs say of where it goes: a path or query may be a secret.
func (h *Hook) Place() string { return h.URL.Scheme + "://" + h.URL.Host }

// wants reports whether events of a type are told.
func (h *Hook) wants(event string) bool {
	return len(h.Events) == 0 || slices.Contains(h.Events, event)
}

const acceptedURL = "https://host/path, or http:// to localhost, 127.0.0.1 or [::1], without user and fragment"

// ParseURL reads the URL of a webhook. No error has more of it than its scheme and
// host.
func ParseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || !visibleASCII(text) { // the error would repeat all of it
		return nil, fmt.Errorf("it is not a URL; accepted: %s", acceptedURL)
	}
	var problem string
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		problem = fmt.Sprintf("its scheme is %q", u.Scheme)
	case u.Opaque != "" || u.Hostname() == "":
		problem = "it has no host"
	case u.User != nil:
		problem = "it has a user or password in it"
	case u.Fragment != "" || strings.HasSuffix(text, "#"):
		problem = "it has a fragment"
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		problem = fmt.Sprintf("http to %s would be readable on its way", u.Host)
	default:
		return u, nil
	}
	return nil, fmt.Errorf("%s; accepted: %s", problem, acceptedURL)
}

func visibleASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && addr.IsLoopback()
}

// CheckEvents refuses events that there are none of, and repeated ones.
func CheckEvents(events []string) error {
	for i, event := range events {
		if !slices.Contains(allEvents, event) {
			return fmt.Errorf("events: %q is no event; accepted: %s", event, strings.Join(allEvents, ", "))
		}
		if slices.Contains(events[:i], event) {
			return fmt.Errorf("events: %s is given twice", event)
		}
	}
	return nil
}
