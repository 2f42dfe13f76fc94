package response

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/socialpatra/keygate/access"
)

// CORSOptions are what a config says of CORS. Nil and zero stand for the defaults.
type CORSOptions struct {
	Off                         bool     // CORS is left to the backend
	AllowHeaders, ExposeHeaders []string // names; by default Content-Type, and none
	MaxAge                      time.Duration
}

// defaultMaxAge is how long browsers may remember a preflight by default.
const defaultMaxAge = 10 * time.Minute

// CORS has the fixed parts of the CORS headers, computed once per config.
type CORS struct {
	off           bool
	allowHeaders  string
	maxAge        string
	methods       string
	exposed       string
	exposedNames  []string // the names in a list
	preflightVary string
}

// NewCORS returns the CORS headers of a handler whose keys may also come in
// keyHeader, unless that is "".
func NewCORS(o CORSOptions, keyHeader string) CORS {
	allow := []string{"Authorization"}
	if keyHeader != "" {
		allow = append(allow, keyHeader)
	}
	extra := o.AllowHeaders
	if extra == nil {
		extra = []string{"Content-Type"}
	}
	age := o.MaxAge
	if age <= 0 {
		age = defaultMaxAge
	}
	for _, name := range extra {
		allow = addName(allow, name)
	}
	exposed := []string{"RateLimit", "RateLimit-Policy", "Retry-After", "WWW-Authenticate", "Request-Id", "Key-Expires"}
	for _, name := range o.ExposeHeaders {
		exposed = addName(exposed, name)
	}
	return CORS{
		off:           o.Off,
		allowHeaders:  strings.Join(allow, ", "),
		maxAge:        strconv.Itoa(int(age.Seconds())),
		methods:       access.RequestMethods,
		exposed:       strings.Join(exposed, ", "),
		exposedNames:  exposed,
		preflightVary: "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
	}
}

// addName adds the name of a header to a list if it is not there yet.
func addName(names []string, name string) []string {
	if slices.ContainsFunc(names, func(have string) bool { return strings.EqualFold(have, name) }) {
		return names
	}
	return append(names, name)
}

// AnswerPreflight sets the headers of the answer to a preflight. If there is no
// valid origin, the answer lacks the headers that let a browser go on.
func (c *CORS) AnswerPreflight(h http.Header, origin string, values *Values) {
	h["Vary"] = values.Of(c.preflightVary)
	h["Cache-Control"] = values.Of("no-store")
	if origin == "" {
		return
	}
	h["Access-Control-Allow-Origin"] = values.Of(origin)
	h["Access-Control-Allow-Methods"] = values.Of(c.methods)
	h["Access-Control-Allow-Headers"] = values.Of(c.allowHeaders)
	h["Access-Control-Max-Age"] = values.Of(c.maxAge)
}

// Apply replaces the CORS headers of a response. Those of the backend are
// dropped, except for the headers that it exposes. Errors get CORS headers too,
// because a page must be able to read them.
func (c *CORS) Apply(h http.Header, origin string, values *Values) {
	if c.off {
		return
	}
	theirs := h["Access-Control-Expose-Headers"]
	for name := range h {
		if strings.HasPrefix(name, "Access-Control-") {
			delete(h, name)
		}
	}
	if origin != "" {
		h["Access-Control-Allow-Origin"] = values.Of(origin)
		h["Access-Control-Expose-Headers"] = values.Of(c.exposing(theirs))
	}
}

// exposing returns the headers that pages may read, including those that the
// backend lists. A * of the backend is kept: it means all headers, because
// requests never have credentials in the sense of Fetch.
func (c *CORS) exposing(theirs []string) string {
	if len(theirs) == 0 {
		return c.exposed
	}
	names := slices.Clone(c.exposedNames)
	for _, value := range theirs {
		for name := range strings.SplitSeq(value, ",") {
			if name = strings.Trim(name, " \t"); httpguts.ValidHeaderFieldName(name) { // includes *
				names = addName(names, name)
			}
		}
	}
	return strings.Join(names, ", ")
}
