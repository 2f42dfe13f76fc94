package main

import (
	"bytes"
	"fmt"
	"net/http"
)

// fetchHeaders are what fetch of Node.js adds to those that its caller sets. A
// gateway reads, checks and passes on what clients send, so that fewer headers
// than theirs would make requests cheaper than they are.
const fetchHeaders = "accept: */*\r\n" +
	"accept-language: *\r\n" +
	"sec-fetch-mode: cors\r\n" +
	"user-agent: node\r\n" +
	"accept-encoding: gzip, deflate\r\n"

// render writes a request out as fetch does, without a token where that is "",
// and from the first origin where there are any.
func render(method, path, token string, origins []string) []byte {
	b := fmt.Appendf(nil, "%s %s HTTP/1.1\r\nhost: gateway\r\nconnection: keep-alive\r\n", method, path)
	if token != "" {
		b = fmt.Appendf(b, "Authorization: Bearer %s\r\n", token)
	}
	if len(origins) > 0 {
		b = fmt.Appendf(b, "Origin: %s\r\n", origins[0])
	}
	b = append(b, fetchHeaders...)
	if method == http.MethodPost {
		b = append(b, "content-length: 0\r\n"...)
	}
	return append(b, "\r\n"...)
}

// renderUpgrade writes out a request for the WebSocket.
func renderUpgrade(token string, origins []string) []byte {
	plain := render(http.MethodGet, socketPath, token, origins)
	return bytes.Replace(plain, []byte("connection: keep-alive\r\n"), []byte(upgrade), 1)
}
