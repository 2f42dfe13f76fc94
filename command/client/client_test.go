package client

import (
	"errors"
	"io"
	"net"
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

// A server may never ask for a body. It is sent all the same after a while, and
// from then on nobody knows what became of the call.
func TestClientSendsABodyThatNobodyAsksFor(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	received := make(chan string, 2)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			got := make([]byte, 4096)
			var text strings.Builder
			for !strings.HasSuffix(text.String(), `{"name":"n"}`) {
				n, err := conn.Read(got)
				if err != nil {
					break
				}
				text.Write(got[:n])
			}
			received <- text.String()
			conn.Close()
		}
	}()
	address := listener.Addr().String()
	l := dial(Place{Name: address, Network: "tcp", Host: address})
	l.http.Transport.(*http.Transport).ExpectContinueTimeout = 1
	api := &Client{link: l}
	err = api.Call(t.Context(), http.MethodPost, "/keygate/keys", map[string]string{"name": "n"}, nil)
	if err == nil || !strings.Contains(err.Error(), "the change may have been made nevertheless") {
		t.Errorf("error %v", err)
	}
	if len(received) != 1 || !strings.HasSuffix(<-received, `{"name":"n"}`) {
		t.Error("the body was not sent just once")
	}
}

// What has ended before its body was asked for sends none later.
func TestHeldBodyIsSentOrNot(t *testing.T) {
	request := func() (*http.Request, *heldBody) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
		return r, hold(r, []byte("content"))
	}
	r, body := request()
	if got, err := io.ReadAll(r.Body); string(got) != "content" || err != nil || body.withhold() != unknown {
		t.Errorf("read %q, %v; then %q", got, err, body.withhold())
	}
	r, body = request()
	if body.withhold() != unchanged {
		t.Error("not withheld although nothing was read")
	}
	if got, err := io.ReadAll(r.Body); len(got) > 0 || !errors.Is(err, errWithheld) {
		t.Errorf("read %q, %v after it was withheld", got, err)
	}
	if _, err := r.GetBody(); !errors.Is(err, errWithheld) {
		t.Errorf("another copy after it was withheld: %v", err)
	}
}
