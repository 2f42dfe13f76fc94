// Command server is a backend behind Keygate. It believes what the gateway says
// of the caller, and shows a workspace its own posts alone.
package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// caller is who sent a request, as the gateway knows it.
type caller struct {
	Workspace string   `json:"workspace"`
	KeyID     string   `json:"key_id"`
	Scopes    []string `json:"scopes"`
}

// callerOf reads the identity headers. Each is there exactly once, or the
// request did not come through the gateway.
func callerOf(h http.Header) (c caller, ok bool) {
	var values [3]string
	for i, name := range [...]string{"SocialPatra-Workspace", "SocialPatra-Key-Id", "SocialPatra-Scopes"} {
		all := h.Values(name)
		if len(all) != 1 {
			return caller{}, false
		}
		values[i] = all[0]
	}
	return caller{values[0], values[1], strings.Fields(values[2])}, true
}

// ownerOf says which workspace a post belongs to.
var ownerOf = map[string]string{"1": "acme", "2": "globex"}

func handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/me", identified(func(w http.ResponseWriter, _ *http.Request, c caller) {
		answer(w, c)
	}))
	mux.HandleFunc("GET /v1/posts/{id}", identified(func(w http.ResponseWriter, r *http.Request, c caller) {
		id := r.PathValue("id")
		if ownerOf[id] != c.Workspace { // 404, as 403 would say that it exists
			http.NotFound(w, r)
			return
		}
		answer(w, map[string]string{"id": id, "workspace": c.Workspace})
	}))
	return mux
}

// identified passes on what came through the gateway, and logs who called.
func identified(next func(http.ResponseWriter, *http.Request, caller)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, ok := callerOf(r.Header)
		if !ok {
			slog.Error("a request came past the gateway", "from", r.RemoteAddr)
			http.Error(w, "only the gateway may call", http.StatusForbidden)
			return
		}
		slog.Info("request", "method", r.Method, "path", r.URL.Path, "workspace", c.Workspace, "key_id", c.KeyID)
		next(w, r, c)
	}
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // fails only where the client is gone
}

func main() {
	// Loopback: nobody but this machine, where the gateway is, reaches it.
	l, err := net.Listen("tcp", "127.0.0.1:"+cmp.Or(os.Getenv("PORT"), "9000"))
	if err != nil {
		slog.Error("cannot listen", "error", err)
		os.Exit(1)
	}
	fmt.Printf("listening on %s\n", l.Addr())
	server := http.Server{Handler: handler(), ReadHeaderTimeout: 10 * time.Second}
	slog.Error("cannot serve", "error", server.Serve(l))
	os.Exit(1)
}
