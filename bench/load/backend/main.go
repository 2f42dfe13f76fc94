// Command backend answers requests on a free port of loopback with the same few
// bytes, but for a stream of events and a WebSocket that each have a path. It does so
// for as long as its standard input is open: it ends with what started it, however
// that ends. It prints its address.
package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "backend:", err)
		os.Exit(1)
	}
}

var answer = []byte(`{"posts":[]}`)

func run() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{
		ReadHeaderTimeout: time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/v1/analytics/events":
				stream(w, r)
			case "/v1/queue/live":
				echo(w, r)
			default:
				w.Header()["Content-Type"] = contentType
				_, _ = w.Write(answer) // a client that left is no failure
			}
		}),
	}
	fmt.Println(listener.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		server.Close()
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

var contentType = []string{"application/json"}
