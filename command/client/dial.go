package client

import (
	"context"
	"net"
	"net/http"
)

// Place is an admin endpoint, or a store file that no process holds.
type Place struct {
	DB string // path of the store; "" for an endpoint

	Name    string // of the endpoint, as users write it: "localhost:2019"
	Network string // to dial, such as tcp or unix
	Host    string // to dial: host and port, or the path of the socket
}

// link is a connection to an admin API.
type link struct {
	http    *http.Client
	url     string // prefix of paths: "http://localhost:2019"
	origin  string // value of the header that Caddy checks on TCP; "": none
	place   string // as users write it: "localhost:2019"
	network bool   // there is a connection, which can be cut
	close   func() error
}

// dial returns a link to an admin endpoint. It does not connect yet.
func dial(p Place) *link {
	l := &link{url: "http://" + p.Host, place: p.Name, network: true}
	if p.Network == "unix" {
		l.url = "http://127.0.0.1"
	} else {
		l.origin = l.url
	}
	dialer := net.Dialer{Timeout: dialTimeout}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, p.Network, p.Host)
		},
		ExpectContinueTimeout: expectTimeout,
	}
	l.http = &http.Client{
		Transport:     transport,
		Timeout:       callTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	l.close = func() error {
		transport.CloseIdleConnections()
		return nil
	}
	return l
}
