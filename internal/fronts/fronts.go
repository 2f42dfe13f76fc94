// Package fronts reads what a front proxy asks an authorisation endpoint: which
// request it is about to forward. Each kind of proxy describes that request in
// its own way.
package fronts

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/socialpatra/keygate/access"
)

// Modes are the kinds of questions, as they are named in a config.
var Modes = []string{"forward_auth", "auth_request", extAuthz}

// extAuthz asks with the request's own method and path.
const extAuthz = "ext_authz"

// Front is one kind of question. The zero value means that nobody asks, and that
// the request itself is judged.
type Front struct {
	mode        string
	method, uri string // the headers with the method and the URI, in canonical form; "": the question's own
	prefix      string // what precedes the path in the question's own URI
}

// New returns the questions of a mode, which is one of Modes, or of none.
func New(mode, prefix string) (Front, error) {
	if prefix != "" && mode != extAuthz {
		return Front{}, fmt.Errorf("path_prefix %s belongs to authorize %s alone", prefix, extAuthz)
	}
	switch mode {
	case "forward_auth":
		return Front{mode: mode, method: "X-Forwarded-Method", uri: "X-Forwarded-Uri"}, nil
	case "auth_request":
		return Front{mode: mode, method: "X-Original-Method", uri: "X-Original-Uri"}, nil
	}
	if prefix == "" {
		return Front{mode: mode}, nil
	}
	return Front{mode: mode, prefix: prefix}, CheckPrefix(prefix)
}

// CheckPrefix accepts only what has one spelling, so that a question begins with
// these bytes or does not.
func CheckPrefix(prefix string) error {
	if access.CheckPath(prefix) == "" && !strings.HasSuffix(prefix, "/") && !strings.Contains(prefix, "%") {
		return nil
	}
	return fmt.Errorf("path_prefix %q is not accepted; accepted: a path that begins with a slash and does not end in one, with nothing percent-encoded, such as /authz", prefix)
}

// Asks reports whether requests are questions.
func (f *Front) Asks() bool { return f.mode != "" }

// Own reports whether a question has the method and the path of the request that
// it is about. The proxies that ask so copy the headers of the answer over those
// of the request, and pass the request on only after a 200.
func (f *Front) Own() bool { return f.mode == extAuthz }

// Read makes of q the request that is asked about. method and uri are the
// question's own, as they came. The URI stays in these bytes: a decoded one would
// differ from what is forwarded. Read reports false if the question describes no
// request.
func (f *Front) Read(q *access.Request, h http.Header, method, uri string) (ok bool) {
	if f.uri != "" {
		methods, uris := h[f.method], h[f.uri]
		if len(methods) != 1 || len(uris) != 1 {
			return false
		}
		method, uri = methods[0], uris[0]
	}
	uri, ok = strings.CutPrefix(uri, f.prefix)
	if !ok || f.prefix != "" && !strings.HasPrefix(uri, "/") {
		return false
	}
	q.Method = method
	q.Path, q.Query, _ = strings.Cut(uri, "?")
	return true
}

// Accepts says to whoever asks which questions are answered.
func (f *Front) Accepts() string {
	const who = "This endpoint answers only proxies in trusted_proxies"
	switch {
	case f.uri != "":
		return who + " that send " + f.method + " and " + f.uri + ", once each."
	case f.prefix != "":
		return who + ", about paths that follow " + f.prefix + "."
	default:
		return who + "."
	}
}
