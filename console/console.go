// Package console is the page on which people manage the API keys of a
// workspace: a list, a form for a new key, a page for each key, and what can be
// done with it. It asks the API of package adminapi, in this process and within
// the authority of whoever visits, and has no rights of its own. It does not know
// Caddy.
//
// Pages are rendered on the server. There is one stylesheet and one small script,
// both in the binary. Everything but copying to the clipboard works without the
// script.
//
//   - A token is in the answer to the creation or rotation that made it, and
//     nowhere else: no redirect carries it, no field echoes one that was typed.
//   - A form is told apart from all others by a nonce, so that sending it twice
//     makes one key.
//   - What was typed is never lost. A form that is refused comes back as it was
//     sent, or the page that refuses it shows what was typed, also if the session
//     has ended meanwhile. Not shown are fields that hold a token, forms that cannot
//     be read, and forms that another site sent.
//   - What a visitor may not do is not offered. The API decides all the same.
package console

import (
	"errors"
	"net/http"
	"net/netip"
	"path"
	"strings"
	"time"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
)

// Options configure a [Page]. API and Now are required.
type Options struct {
	API   func() (*adminapi.Server, error) // of the running config; called for each request
	Base  string                           // where the page is mounted: "" for the root, or such as "/settings/api-keys"
	Title string                           // of the whole page; default "API keys"
	Now   func() time.Time
}

// Visit is who asks, and from where.
type Visit struct {
	Authority *adminapi.Authority
	Client    netip.Addr    // the zero Addr: unknown
	Host      func() string // scheme and host of the API, for examples: https://api.example; asked only for a page that shows one
}

// Page serves the page to any number of visitors.
type Page struct {
	api       func() (*adminapi.Server, error)
	base      string
	title     string
	now       func() time.Time
	templates templates
	mux       *http.ServeMux
	guard     *http.CrossOriginProtection
}

// New returns a page. It fails only if the templates do.
func New(o Options) (*Page, error) {
	set, err := parseTemplates()
	if err != nil {
		return nil, err
	}
	p := &Page{api: o.API, base: strings.TrimSuffix(o.Base, "/"), title: o.Title, now: o.Now, templates: set, guard: http.NewCrossOriginProtection()}
	if p.title == "" {
		p.title = "API keys"
	}
	p.mux = http.NewServeMux()
	for pattern, place := range places {
		p.mux.HandleFunc(pattern, func(_ http.ResponseWriter, r *http.Request) { visitOf(r).serve(place, r) })
	}
	p.mux.HandleFunc("/", func(_ http.ResponseWriter, r *http.Request) { visitOf(r).refuse(errNoPage) })
	return p, nil
}

// place is one URL: what it shows, and what sending its form does.
type place struct {
	get, post handler
	form      bool // shows a form and no secret, so that a browser may keep it for the way back
}

type handler func(*visit) error

// places are the URLs of the page below its base.
var places = map[string]place{
	"/{$}":               {get: (*visit).list},
	"/review":            {get: (*visit).review},
	"/new":               {get: (*visit).newKey, post: (*visit).createKey, form: true},
	"/keys/{id}":         {get: (*visit).oneKey},
	"/keys/{id}/edit":    {get: (*visit).editKey, post: (*visit).saveKey, form: true},
	"/keys/{id}/rotate":  {get: (*visit).askRotate, post: (*visit).rotate, form: true},
	"/keys/{id}/disable": {get: asking("disable"), post: doing("disable"), form: true},
	"/keys/{id}/enable":  {get: asking("enable"), post: doing("enable"), form: true},
	"/keys/{id}/revoke":  {get: asking("revoke"), post: doing("revoke"), form: true},
	"/keys/{id}/delete":  {get: asking("delete"), post: doing("delete"), form: true},
	"/keys/{id}/explain": {get: (*visit).askExplain, post: (*visit).explain, form: true},
	"/workspaces":        {get: (*visit).workspaces},
	"/workspaces/{name}": {get: (*visit).workspace, post: (*visit).limitWorkspace, form: true},
	"/session":           {get: (*visit).session},
}

// maxForm is the longest form that is read, in bytes.
const maxForm = 1 << 20

// Serve answers one request. The path of its URL is below the base, and begins
// with a slash.
func (p *Page) Serve(w http.ResponseWriter, r *http.Request, v Visit) {
	setHeaders(w.Header())
	if serveAsset(w, r) {
		return
	}
	visit := &visit{Page: p, Visit: v, w: w}
	r = r.WithContext(withVisit(r.Context(), visit))
	visit.r = r
	switch {
	case apikey.ContainsToken(r.URL.Path) || apikey.ContainsToken(unescaped(r.URL.RawQuery)):
		visit.refuse(errTokenInURL)
	case path.Clean(r.URL.Path) != r.URL.Path: // the mux would redirect it
		visit.refuse(errNoPage)
	default:
		p.mux.ServeHTTP(w, r)
	}
}

// serve answers a request of one place.
func (v *visit) serve(at place, r *http.Request) {
	v.r = r // with the values of the path
	var do handler
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		do = at.get
	case http.MethodPost:
		do = at.post
	}
	if do == nil {
		allow := "GET, HEAD"
		if at.post != nil {
			allow += ", POST"
		}
		v.w.Header().Set("Allow", allow)
		v.refuse(errMethod)
		return
	}
	if at.form {
		v.w.Header().Set("Cache-Control", "private, no-cache")
	}
	var err error
	if r.Method == http.MethodPost {
		err = v.readForm() // first, so that what was typed is known to whatever fails
	}
	if err == nil {
		err = v.begin()
	}
	if err == nil {
		err = do(v)
	}
	if err != nil {
		v.refuse(err)
	}
}

// session answers the script, which asks whether the visitor is still signed in
// before it sends a form. A sign-in page never answers 204.
func (v *visit) session() error {
	v.w.WriteHeader(http.StatusNoContent)
	return nil
}

var (
	errNoPage     = &refusal{status: http.StatusNotFound, err: errors.New("no such page")}
	errMethod     = &refusal{status: http.StatusMethodNotAllowed, err: errors.New("this method is not served here")}
	errTokenInURL = &refusal{status: http.StatusBadRequest, kind: "token", err: errors.New("the address holds a whole key")}
)

// setHeaders sets what every answer has.
func setHeaders(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; "+
		"frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}
