package client

import (
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/textproto"

	"github.com/socialpatra/keygate/adminapi"
)

// askProgress asks the server for the reports of its tellProgress, and calls
// progress with them. watch, which may be nil, is told that the call moves.
func askProgress(r *http.Request, progress func(done, all int), watch *stallWatch) *http.Request {
	r.Header.Set(adminapi.ProgressHeader, "1")
	return r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(_ int, header textproto.MIMEHeader) error {
			if done, all, ok := parseProgress(header.Get(adminapi.ProgressHeader)); ok {
				if watch != nil {
					watch.moved()
				}
				progress(done, all)
			}
			return nil
		},
	}))
}

// parseProgress reads a report of tellProgress.
func parseProgress(s string) (done, all int, ok bool) {
	n, err := fmt.Sscanf(s, "%d/%d", &done, &all)
	return done, all, err == nil && n == 2 && done >= 0 && done <= all
}
