package plugin_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// newClient makes a client that changes nothing by itself: it follows no
// redirect, asks for no compression and shares no connection with others.
func newClient(t testing.TB) *http.Client {
	t.Helper()
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport:     transport,
		Timeout:       patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// response is an answer with its body read.
type response struct {
	Status int
	Header http.Header
	Body   string
}

// bearer is the header that carries a token, for [gateway.do].
func bearer(token string) string { return "Authorization: Bearer " + token }

// do sends a request to the site. Headers are written as on the wire, "Name:
// value". It may be called from any goroutine: where no answer comes the test
// fails and goes on with Status 0.
func (g *gateway) do(t testing.TB, method, path, body string, headers ...string) response {
	t.Helper()
	return g.send(t, g.client, method, g.URL+path, body, headers)
}

// adminDo sends a request to the admin endpoint; a body is sent as JSON.
func (g *gateway) adminDo(t testing.TB, method, path, body string) response {
	t.Helper()
	var headers []string
	if body != "" {
		headers = append(headers, "Content-Type: application/json")
	}
	return g.send(t, g.admin, method, "http://"+g.Admin+path, body, headers)
}

// send is do with any client and URL.
func (g *gateway) send(t testing.TB, client *http.Client, method, url, body string, headers []string) response {
	t.Helper()
	resp, err := g.despiteReloads(func() (response, error) { return attempt(t.Context(), client, method, url, body, headers) })
	if err != nil {
		t.Error(err)
	}
	return resp
}

// despiteReloads sends a request again that a reload has cut off: Caddy gives its
// servers up for new ones, and what these have not read by then is not done.
func (g *gateway) despiteReloads(try func() (response, error)) (resp response, err error) {
	for range 5 {
		begun := time.Now().Unix()
		resp, err = try()
		if err == nil || begun-g.reloaded.Load() > 5 { // since then there may have been one
			break
		}
	}
	return resp, err
}

func send(t testing.TB, client *http.Client, method, url, body string, headers []string) response {
	t.Helper()
	resp, err := attempt(t.Context(), client, method, url, body, headers)
	if err != nil {
		t.Error(err)
	}
	return resp
}

// attempt is send where no answer may come.
func attempt(ctx context.Context, client *http.Client, method, url, body string, headers []string) (response, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return response{}, err
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header[name] = append(r.Header[name], value) // in the case as written
	}
	resp, err := client.Do(r)
	if err != nil {
		return response{}, err
	}
	return readBody(resp)
}

// raw sends bytes that no client would, one request with line ends as \n, and
// returns the answer. The request must ask for the connection to be closed.
func (g *gateway) raw(t testing.TB, request string) response {
	t.Helper()
	method, _, _ := strings.Cut(request, " ")
	resp, err := g.despiteReloads(func() (response, error) {
		conn, err := net.Dial("tcp", strings.TrimPrefix(g.URL, "http://"))
		if err != nil {
			return response{}, err
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(patience))
		if _, err := io.WriteString(conn, strings.ReplaceAll(request, "\n", "\r\n")); err != nil {
			return response{}, err
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
		if err != nil {
			return response{}, err
		}
		return readBody(resp)
	})
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func readAll(t testing.TB, resp *http.Response) response {
	t.Helper()
	answer, err := readBody(resp)
	if err != nil {
		t.Error(err)
	}
	return answer
}

func readBody(resp *http.Response) (response, error) {
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return response{resp.StatusCode, resp.Header, string(body)}, err
}
