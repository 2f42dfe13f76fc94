package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	chimiddleware "github.com/go-chi/chi/v5/middleware"
	"github.com/gofiber/fiber/v3"
	"github.com/gorilla/mux"
	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
)

// answer says which route was served, "" for none, and how the path was read.
func answer(w http.ResponseWriter, r *http.Request, name string) {
	if name == "" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("X-Served", name)
	fmt.Fprintf(w, "%s %s: path %q", r.Method, r.RequestURI, r.URL.Path)
}

func serveHTTP(l net.Listener, h http.Handler) error {
	return (&http.Server{Handler: h}).Serve(l) //nolint:gosec // no timeouts: a test asks, and ends it
}

// serveGin merges slashes.
func serveGin(l net.Listener, routes []route) error {
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	router.RemoveExtraSlash = true
	router.HandleMethodNotAllowed = true
	for _, s := range shapes(routes) {
		router.Handle(s.method, s.path(":", ""), func(c *gin.Context) { answer(c.Writer, c.Request, s.served(c.Param)) })
	}
	return serveHTTP(l, router)
}

// serveEcho strips one slash at the end, and lets a header override POST.
func serveEcho(l net.Listener, routes []route) error {
	router := echo.New()
	router.Pre(middleware.RemoveTrailingSlash(), middleware.MethodOverride())
	for _, s := range shapes(routes) {
		s.slash = false
		router.Add(s.method, s.path(":", ""), func(c echo.Context) error {
			answer(c.Response(), c.Request(), s.served(c.Param))
			return nil
		})
	}
	return serveHTTP(l, router)
}

// serveGorilla goes by its own patterns, the first of them that fits, for the
// path as it came. A slash at the end is not told apart from none.
func serveGorilla(l net.Listener, routes []route) error {
	router := mux.NewRouter().UseEncodedPath()
	for _, r := range routes {
		pattern := strings.Replace(strings.TrimSuffix(r.Pattern, "/"), "*", "{rest:.+}", 1) + "{slash:/?}"
		router.Methods(r.Method).Path(pattern).HandlerFunc(func(w http.ResponseWriter, req *http.Request) { answer(w, req, r.Name) })
	}
	return serveHTTP(l, router)
}

// serveChi strips slashes at the end, and takes what follows the last dot for a
// format. Where a pattern has a dot in its last segment, that has to be the
// format; the others are for all formats.
func serveChi(l net.Listener, routes []route) error {
	router := chi.NewRouter()
	router.Use(chimiddleware.StripSlashes, chimiddleware.URLFormat, chimiddleware.GetHead)
	type served struct {
		name   string
		format *regexp.Regexp
	}
	all := make(map[string][]served) // by method and pattern, the more specific ones first
	handle := func(r route, pattern string, format *regexp.Regexp) {
		key := r.Method + pattern
		all[key] = append(all[key], served{r.Name, format})
		router.Method(r.Method, pattern, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			format, _ := req.Context().Value(chimiddleware.URLFormatCtxKey).(string)
			for _, s := range all[key] {
				if s.format.MatchString(format) {
					answer(w, req, s.name)
					return
				}
			}
			http.NotFound(w, req)
		}))
	}
	for _, r := range routes {
		pattern, anything := strings.TrimSuffix(r.Pattern, "/"), regexp.MustCompile("")
		dot := strings.LastIndexByte(pattern, '.')
		if dot < strings.LastIndexByte(pattern, '/') {
			handle(r, pattern, anything)
			continue
		}
		handle(r, pattern[:dot], paramRegexp(pattern[dot+1:]))
		if strings.HasSuffix(pattern, "}") {
			handle(r, pattern, anything) // its last name may have a dot as well
		}
	}
	return serveHTTP(l, router)
}

// serveFiber ignores case and a slash at the end, which is its default, and
// matches the path that it has decoded.
func serveFiber(l net.Listener, routes []route) error {
	app := fiber.New(fiber.Config{UnescapePath: true})
	for _, r := range routes {
		pattern := aName.ReplaceAllStringFunc(strings.ReplaceAll(r.Pattern, ":", `\:`), func(name string) string { return ":" + strings.Trim(name, "{}") })
		app.Add([]string{r.Method}, pattern, func(c fiber.Ctx) error {
			c.Set("X-Served", r.Name)
			return c.SendString(fmt.Sprintf("%s %s: path %q", c.Method(), c.OriginalURL(), c.Path()))
		})
	}
	return app.Listener(l, fiber.ListenConfig{DisableStartupMessage: true, GracefulContext: context.Background()})
}

// serveMux goes by the patterns of net/http, with paths decoded and cleaned. It
// does not take patterns of which neither is more specific than the other, so
// those with a name before a literal come last, in one of their own.
func serveMux(l net.Listener, routes []route) error {
	first, last := http.NewServeMux(), http.NewServeMux()
	first.Handle("/", last)
	for _, s := range shapes(routes) {
		mux := first
		if s.nameFirst() {
			mux = last
		}
		mux.HandleFunc(s.method+" "+s.path("{", "}"), func(w http.ResponseWriter, req *http.Request) { answer(w, req, s.served(req.PathValue)) })
	}
	return serveHTTP(l, first)
}
