package client

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestClientTimesOut(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	address := server.Listener.Addr().String()
	l := dial(Place{Name: address, Network: "tcp", Host: address})
	if l.http.Timeout != callTimeout {
		t.Fatalf("the timeout is %v", l.http.Timeout)
	}
	l.http.Timeout = 1
	api := &Client{link: l}
	err := api.Call(t.Context(), http.MethodGet, "/keygate/keys", nil, nil)
	if err == nil || !strings.Contains(err.Error(), "no answer came within 10s") {
		t.Errorf("error %v", err)
	}
}
