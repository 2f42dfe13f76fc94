package access

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// show quotes a value from the request. It hides a token that was put there by
// mistake.
func (e *explainer) show(s string) string {
	if apikey.ContainsToken(s) || e.isSecret(s) {
		return "<a token>"
	}
	return quote(s)
}

// query shows the query of the request, if it has one.
func (e *explainer) query() string {
	if e.q.Query == "" {
		return ""
	}
	return ", query " + e.show(e.q.Query)
}

// isSecret reports whether s contains what the request sends as a credential, in
// whatever form.
func (e *explainer) isSecret(s string) bool {
	const spaces = " \t" // RFC 9110 §5.6.3
	for _, values := range [...][]string{e.q.Authorization, e.q.KeyHeader} {
		for _, value := range values {
			value = strings.Trim(value, spaces)
			token := strings.TrimLeft(value[strings.IndexAny(value, spaces)+1:], spaces)
			if token != "" && strings.Contains(s, token) {
				return true
			}
		}
	}
	return false
}

func showRoute(r *Route) string {
	return "the route " + r.String()
}

func showCredentials(q *Request) string {
	return fmt.Sprintf("%d in Authorization and %d in the header for keys with exactly 1", len(q.Authorization), len(q.KeyHeader))
}

// showList shows the first values of a long list.
func showList(list []string) string {
	const most = 10
	switch {
	case len(list) == 0:
		return "none"
	case len(list) > most:
		return strings.Join(list[:most], ", ") + fmt.Sprintf(" and %d more", len(list)-most)
	default:
		return strings.Join(list, ", ")
	}
}

// whyInvalid gives the exact cause, which clients are not told.
func (e *explainer) whyInvalid() (compared, fix string) {
	id, ours := apikey.Parse(e.policy.Brand, e.token)
	if !ours {
		compared = "the token with the form " + e.policy.Brand + "_ID_SECRET and its checksum"
		if e.policy.Keys.HasOpaque() {
			compared += ", and with all imported tokens"
		}
		return compared, "Send the token as it was given, whole and unchanged."
	}
	if _, found, err := e.policy.Keys.Lookup(id); err == nil && !found {
		return "the token with no key: none has the ID " + id.String(), "Send the token of a key that exists; this one was deleted, or belongs to another store."
	}
	return "the token with the hash of the key " + id.String(), "Send the token of this key; this one was never its token."
}

func showStatus(g *apikey.Grant, now time.Time) string {
	switch status := g.Status(now); status {
	case apikey.Revoked:
		return string(status)
	case apikey.Disabled:
		return string(status) + ", " + showExpiry(g.ExpiresAt)
	case apikey.Expired:
		return string(status) + " at " + showTime(time.Unix(0, g.ExpiresAt)) + "; the request is of " + showTime(now)
	default:
		return string(status) + " at " + showTime(now) + ", " + showExpiry(g.ExpiresAt)
	}
}

func showExpiry(at int64) string {
	switch at {
	case 0:
		return "never expires"
	case math.MaxInt64:
		return "expires later than the year 2261"
	default:
		return "expires " + showTime(time.Unix(0, at))
	}
}

func showTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func (e *explainer) compareClient() (compared, fix string) {
	client := "an unknown address"
	if e.q.Client.IsValid() {
		client = e.q.Client.WithZone("").String()
	}
	places := e.Key.Grant.Places
	if places == nil || len(places.IPs) == 0 {
		return client + " with any", ""
	}
	allowed := make([]string, len(places.IPs))
	for i, prefix := range places.IPs {
		allowed[i] = apikey.FormatIP(prefix)
	}
	fix = "Call from an address in allowed_ips"
	if e.q.Client.IsValid() {
		fix += ", or add " + client + " to it"
	}
	return client + " with " + showList(allowed), fix + "."
}

func (e *explainer) compareOrigin() (compared, fix string) {
	var sent string
	switch n := len(e.q.Origins); n {
	case 0:
		sent = "no Origin"
	case 1:
		sent = e.show(e.q.Origins[0])
	default:
		sent = strconv.Itoa(n) + " Origin headers"
	}
	places := e.Key.Grant.Places
	if places == nil || len(places.Origins) == 0 {
		return sent + " with any", ""
	}
	allowed := make([]string, len(places.Origins))
	for i, o := range places.Origins {
		allowed[i] = o.String()
	}
	compared = sent + " with " + showList(allowed)
	switch len(e.q.Origins) {
	case 0:
		if e.policy.AllowMissingOrigin {
			return compared + ", and missing_origin is allow", ""
		}
		return compared, "Call from a page of an origin in allowed_origins, or set missing_origin allow for clients that are no browsers."
	case 1:
		fix = "Call from a page of an origin in allowed_origins"
		if o, err := apikey.ParseOrigin(e.q.Origins[0]); err == nil && o.Matches(e.q.Origins[0]) {
			fix += ", or add this one to it"
		}
		return compared, fix + "."
	default:
		return compared, "Send Origin once."
	}
}

// nearRoutes lists routes that are near a request without a route.
func (e *explainer) nearRoutes(otherwise string) string {
	m, _ := parseMethod(e.q.Method) // the shape check has passed
	if near := e.policy.Table.find(m, e.q.Path); near.route != nil && !near.route.denies() {
		return "Send the path exactly as in " + showRoute(near.route) + ": case counts, and so do a slash and a format such as .json at the end."
	}
	var mapped []string
	for name := range strings.SplitSeq(RequestMethods, ", ") {
		if r := e.policy.Table.Match(name, e.q.Path); r != nil && !r.denies() {
			mapped = append(mapped, name)
		}
	}
	if len(mapped) > 0 {
		return "Send another method, or map this one: the path has " + showList(mapped) + "."
	}
	return otherwise
}

func showMissing(missing Scopes) string {
	sets := make([]string, len(missing))
	for i, set := range missing {
		sets[i] = showList(set)
	}
	return strings.Join(sets, ", or ")
}
