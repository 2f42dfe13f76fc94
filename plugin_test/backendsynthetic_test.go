//go:build backends

package plugin_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	anyreader "github.com/socialpatra/keygate/internal/readers"
)

// startSynthetic starts a backend that is all backends of internal/readers at
// once: X-Served names every route that some reader takes the request for.
func startSynthetic(t *testing.T) string {
	t.Helper()
	var routes []anyreader.Route
	for _, r := range mapped {
		routes = append(routes, anyreader.Route{Method: r.Method, Pattern: r.Pattern})
	}
	backend := anyreader.New(routes)
	var mu sync.Mutex
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		path, _, _ := strings.Cut(r.RequestURI, "?")
		var served, how []string
		for _, c := range backend.Find(r.Method, path) {
			if name := mapped[c.Routes[0]].Name; !slices.Contains(served, name) {
				served, how = append(served, name), append(how, backend.Describe(path, c))
			}
		}
		if served == nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("X-Served", strings.Join(served, ", "))
		fmt.Fprint(w, strings.Join(how, "\n"))
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}
