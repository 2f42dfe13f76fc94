package plugin_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/quic-go/qpack"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/quicvarint"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// attackHost is the site's name in Host, :authority and SNI.
const attackHost = "gateway.test"

// wireRequest is a request as it goes onto the wire. Nothing in it is checked
// or escaped, so it can be one that no HTTP client would send.
type wireRequest struct {
	Method, Target   string
	Fields, Trailers []wireField
	Body             string
}

type wireField struct{ Name, Value string }

// sendHTTP1 writes a request in HTTP/1.1 and reads the first answer. An error
// means that there was none.
func sendHTTP1(network, addr string, r wireRequest) (response, error) {
	conn, err := net.DialTimeout(network, addr, patience)
	if err != nil {
		return response{}, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))

	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", r.Method, r.Target, attackHost)
	for _, f := range r.Fields {
		fmt.Fprintf(&b, "%s: %s\r\n", f.Name, f.Value)
	}
	switch {
	case len(r.Trailers) > 0:
		fmt.Fprintf(&b, "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n")
		for _, f := range r.Trailers {
			fmt.Fprintf(&b, "%s: %s\r\n", f.Name, f.Value)
		}
	case r.Body != "":
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(r.Body))
	}
	b.WriteString("\r\n" + r.Body)
	if _, err := conn.Write(b.Bytes()); err != nil {
		return response{}, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: r.Method})
	if err != nil {
		return response{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return response{resp.StatusCode, resp.Header, string(body)}, err
}

// pseudo returns the fields of a request in HTTP/2 and 3, pseudo-headers
// first. A CONNECT to an authority has no path (RFC 9113 §8.5).
func (r wireRequest) pseudo() (fields []wireField) {
	fields = []wireField{{":method", r.Method}}
	if r.Method == http.MethodConnect && !strings.Contains(r.Target, "/") {
		fields = append(fields, wireField{":authority", r.Target})
	} else {
		fields = append(fields, wireField{":scheme", "https"}, wireField{":authority", attackHost}, wireField{":path", r.Target})
	}
	for _, f := range r.Fields {
		fields = append(fields, wireField{strings.ToLower(f.Name), f.Value})
	}
	return fields
}

// body is what DATA frames carry: trailers are only read after some.
func (r wireRequest) body() string {
	if len(r.Trailers) > 0 {
		return "x"
	}
	return r.Body
}

// add takes one field of a response.
func (resp *response) add(name, value string) {
	if name == ":status" {
		resp.Status, _ = strconv.Atoi(value)
		return
	}
	resp.Header.Add(name, value)
}

func attackTLS(protocol string) *tls.Config {
	return &tls.Config{ServerName: attackHost, NextProtos: []string{protocol}, InsecureSkipVerify: true}
}

// sendHTTP2 sends a request as the first stream of a connection of its own.
func sendHTTP2(addr string, r wireRequest) (response, error) {
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", addr, attackTLS("h2"))
	if err != nil {
		return response{}, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	// All is written at once: after the preface the server waits two seconds for the
	// settings, and if it ends the stream at its head the rest must not be an error.
	out := bytes.NewBufferString(http2.ClientPreface)
	framer := http2.NewFramer(out, conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	framer.AllowIllegalWrites = true
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	headers := func(fields []wireField, end bool) error {
		block.Reset()
		for _, f := range fields {
			if err := encoder.WriteField(hpack.HeaderField{Name: f.Name, Value: f.Value}); err != nil {
				return err
			}
		}
		return framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndStream: end, EndHeaders: true})
	}
	last := r.body() == ""
	err = errors.Join(framer.WriteSettings(), headers(r.pseudo(), last))
	if !last {
		err = errors.Join(err, framer.WriteData(1, len(r.Trailers) == 0, []byte(r.body())))
	}
	if len(r.Trailers) > 0 {
		err = errors.Join(err, headers(lowered(r.Trailers), true))
	}
	if err != nil {
		return response{}, err
	}
	if _, err := conn.Write(out.Bytes()); err != nil {
		return response{}, err
	}
	resp := response{Header: make(http.Header)}
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return response{}, err
		}
		switch f := frame.(type) {
		case *http2.MetaHeadersFrame:
			for _, field := range f.Fields {
				resp.add(field.Name, field.Value)
			}
			if f.StreamEnded() {
				return resp, nil
			}
		case *http2.DataFrame:
			resp.Body += string(f.Data())
			if f.StreamEnded() {
				return resp, nil
			}
		case *http2.RSTStreamFrame:
			return response{}, fmt.Errorf("stream reset: %v", f.ErrCode)
		case *http2.GoAwayFrame:
			return response{}, fmt.Errorf("connection ended: %v", f.ErrCode)
		}
	}
}

func lowered(fields []wireField) (lower []wireField) {
	for _, f := range fields {
		lower = append(lower, wireField{strings.ToLower(f.Name), f.Value})
	}
	return lower
}

// Frames and streams of HTTP/3 (RFC 9114 §6.2.1 and §7.2).
const (
	http3Control  = 0x0
	http3Data     = 0x0
	http3Headers  = 0x1
	http3Settings = 0x4
)

// sendHTTP3 sends a request on a QUIC connection of its own.
func sendHTTP3(addr string, r wireRequest) (response, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := quic.DialAddr(ctx, addr, attackTLS("h3"), &quic.Config{HandshakeIdleTimeout: patience, MaxIdleTimeout: patience})
	if err != nil {
		return response{}, err
	}
	defer conn.CloseWithError(0x100, "") // H3_NO_ERROR
	control, err := conn.OpenUniStream()
	if err != nil {
		return response{}, err
	}
	if _, err := control.Write([]byte{http3Control, http3Settings, 0}); err != nil {
		return response{}, err
	}
	stream, err := conn.OpenStreamSync(ctx)
	if err != nil {
		return response{}, err
	}
	stream.SetDeadline(time.Now().Add(patience))
	frames := http3Frame(nil, http3Headers, http3Block(r.pseudo()))
	if body := r.body(); body != "" {
		frames = http3Frame(frames, http3Data, []byte(body))
	}
	if len(r.Trailers) > 0 {
		frames = http3Frame(frames, http3Headers, http3Block(lowered(r.Trailers)))
	}
	// A server that has answered already may have stopped reading.
	_, _ = stream.Write(frames)
	_ = stream.Close()
	return readHTTP3(bufio.NewReader(stream))
}

func readHTTP3(in *bufio.Reader) (response, error) {
	resp := response{Header: make(http.Header)}
	for {
		kind, err := quicvarint.Read(in)
		if errors.Is(err, io.EOF) && resp.Status != 0 {
			return resp, nil
		}
		if err != nil {
			return response{}, err
		}
		length, err := quicvarint.Read(in)
		if err != nil {
			return response{}, err
		}
		payload := make([]byte, length)
		if _, err := io.ReadFull(in, payload); err != nil {
			return response{}, err
		}
		switch kind {
		case http3Data:
			resp.Body += string(payload)
		case http3Headers:
			next := qpack.NewDecoder().Decode(payload)
			for field, err := next(); !errors.Is(err, io.EOF); field, err = next() {
				if err != nil {
					return response{}, err
				}
				resp.add(field.Name, field.Value)
			}
		}
	}
}

func http3Block(fields []wireField) []byte {
	var block bytes.Buffer
	encoder := qpack.NewEncoder(&block)
	for _, f := range fields {
		_ = encoder.WriteField(qpack.HeaderField{Name: f.Name, Value: f.Value}) // to memory
	}
	return block.Bytes()
}

func http3Frame(dst []byte, kind uint64, payload []byte) []byte {
	dst = quicvarint.Append(dst, kind)
	dst = quicvarint.Append(dst, uint64(len(payload)))
	return append(dst, payload...)
}
