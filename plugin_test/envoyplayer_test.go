package plugin_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// envoyConfig is as much of an Envoy configuration as its external authorization
// over HTTP depends on.
type envoyConfig struct {
	mutations []envoyMatcher
	authz     struct {
		FailureModeAllow bool                              `json:"failure_mode_allow"`
		StatusOnError    struct{ Code string }             `json:"status_on_error"`
		AllowedHeaders   struct{ Patterns []envoyMatcher } `json:"allowed_headers"`
		HTTPService      struct {
			PathPrefix            string `json:"path_prefix"`
			ServerURI             struct{ URI string }
			AuthorizationResponse struct {
				AllowedUpstreamHeaders        struct{ Patterns []envoyMatcher } `json:"allowed_upstream_headers"`
				AllowedClientHeaders          struct{ Patterns []envoyMatcher } `json:"allowed_client_headers"`
				AllowedClientHeadersOnSuccess struct{ Patterns []envoyMatcher } `json:"allowed_client_headers_on_success"`
			} `json:"authorization_response"`
		} `json:"http_service"`
	}
}

// envoyMatcher is a StringMatcher: a pattern of the whole, a prefix, or the text.
type envoyMatcher struct {
	Exact, Prefix string
	SafeRegex     struct{ Regex string } `json:"safe_regex"`
}

func (m envoyMatcher) matches(name string) bool {
	switch {
	case m.Prefix != "":
		return strings.HasPrefix(name, m.Prefix)
	case m.SafeRegex.Regex != "":
		return regexp.MustCompile("^(?:" + m.SafeRegex.Regex + ")$").MatchString(name)
	default:
		return name == m.Exact
	}
}

func anyMatches(patterns []envoyMatcher, name string) bool {
	return slices.ContainsFunc(patterns, func(m envoyMatcher) bool { return m.matches(name) })
}

// readEnvoyConfig finds the HTTP filters of a configuration, in their order.
func readEnvoyConfig(t testing.TB, text string) (c envoyConfig) {
	t.Helper()
	var tree map[string]any
	if err := yaml.Unmarshal([]byte(text), &tree); err != nil {
		t.Fatal(err)
	}
	var names []string
	var walk func(any)
	walk = func(value any) {
		switch value := value.(type) {
		case []any:
			for _, element := range value {
				walk(element)
			}
		case map[string]any:
			if filters, ok := value["http_filters"].([]any); ok {
				for _, f := range filters {
					filter := f.(map[string]any)
					names = append(names, filter["name"].(string))
					c.readFilter(t, filter)
				}
			}
			for _, element := range value {
				walk(element)
			}
		}
	}
	walk(tree)
	if want := []string{"envoy.filters.http.header_mutation", "envoy.filters.http.ext_authz", "envoy.filters.http.router"}; !slices.Equal(names, want) {
		t.Fatalf("the filters are %q, want %q", names, want)
	}
	return c
}

func (c *envoyConfig) readFilter(t testing.TB, filter map[string]any) {
	t.Helper()
	text, err := json.Marshal(filter["typed_config"])
	if err != nil {
		t.Fatal(err)
	}
	switch filter["name"] {
	case "envoy.filters.http.header_mutation":
		var read struct {
			Mutations struct {
				RequestMutations []struct {
					RemoveOnMatch struct {
						KeyMatcher envoyMatcher `json:"key_matcher"`
					} `json:"remove_on_match"`
				} `json:"request_mutations"`
			}
		}
		err = json.Unmarshal(text, &read)
		for _, m := range read.Mutations.RequestMutations {
			c.mutations = append(c.mutations, m.RemoveOnMatch.KeyMatcher)
		}
	case "envoy.filters.http.ext_authz":
		err = json.Unmarshal(text, &c.authz)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// envoyPlayer does with requests what Envoy's documentation says of a listener
// with such filters.
type envoyPlayer struct {
	envoyConfig
	endpoint, backend string // "127.0.0.1:34567"
	asked             []byte // the last question, as it went onto the wire
}

// startEnvoyPlayer listens until the test ends, one connection at a time.
func startEnvoyPlayer(t testing.TB, config, endpoint, backend string) (*envoyPlayer, *gateway) {
	t.Helper()
	p := &envoyPlayer{envoyConfig: readEnvoyConfig(t, config), endpoint: endpoint, backend: backend}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			p.serve(conn)
		}
	}()
	t.Cleanup(func() {
		ln.Close()
		<-ended
	})
	return p, &gateway{URL: "http://" + ln.Addr().String(), Dir: t.TempDir(), client: newClient(t)}
}

func (p *envoyPlayer) serve(conn net.Conn) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	r, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil || strings.ContainsAny(r.RequestURI, "#") || r.Header.Get("Upgrade") != "" { // what Envoy refuses by itself
		io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
		return
	}
	body, _ := io.ReadAll(r.Body)
	fields := make(map[string]string) // of the request, the values of a name joined
	for name, values := range r.Header {
		fields[strings.ToLower(name)] = strings.Join(values, ",")
	}
	for _, hop := range []string{"connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "content-length"} {
		delete(fields, hop)
	}
	maps.DeleteFunc(fields, func(name, _ string) bool { return strings.Contains(name, "_") || anyMatches(p.mutations, name) })
	host, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
	fields["x-forwarded-for"] = strings.TrimPrefix(fields["x-forwarded-for"]+","+host, ",")
	fields["x-forwarded-proto"] = "http"
	fields["x-request-id"] = "0b7f4ad6-6a6c-4a32-93c5-8b6d8f1a2e11"

	answer, err := p.ask(r.Method, r.RequestURI, r.Host, fields)
	if err != nil {
		io.WriteString(conn, "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n")
		return
	}
	rules := p.authz.HTTPService.AuthorizationResponse
	if answer.Status != http.StatusOK {
		p.reply(conn, r.Method, answer)
		return
	}
	for name, values := range answer.Header {
		if lower := strings.ToLower(name); anyMatches(rules.AllowedUpstreamHeaders.Patterns, lower) {
			fields[lower] = values[len(values)-1]
		}
	}
	for _, list := range answer.Header.Values("X-Envoy-Auth-Headers-To-Remove") {
		for name := range strings.SplitSeq(list, ",") {
			delete(fields, strings.ToLower(strings.TrimSpace(name)))
		}
	}
	if len(body) > 0 {
		fields["content-length"] = fmt.Sprint(len(body))
	}
	served, err := exchangeBytes(p.backend, r.Method, append(requestBytes(r.Method, r.RequestURI, r.Host, fields), body...))
	if err != nil {
		io.WriteString(conn, "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n")
		return
	}
	for name, values := range answer.Header {
		if anyMatches(rules.AllowedClientHeadersOnSuccess.Patterns, strings.ToLower(name)) {
			served.Header[name] = values
		}
	}
	p.reply(conn, r.Method, served)
}

// ask sends the question: method and host as they are, the path below the prefix,
// Authorization and the headers that are allowed, no body, and what Envoy adds.
func (p *envoyPlayer) ask(method, uri, host string, fields map[string]string) (response, error) {
	sent := map[string]string{"content-length": "0", "x-envoy-internal": "true", "x-envoy-expected-rq-timeout-ms": "1000"}
	for name, value := range fields {
		if name == "authorization" || anyMatches(p.authz.AllowedHeaders.Patterns, name) {
			sent[name] = value
		}
	}
	if sent["x-forwarded-for"] != "" {
		sent["x-forwarded-for"] += ",127.0.0.1" // its own, as asynchronous clients of Envoy add it
	}
	p.asked = requestBytes(method, p.authz.HTTPService.PathPrefix+uri, host, sent)
	return exchangeBytes(p.endpoint, method, p.asked)
}

// requestBytes is a request in HTTP/1.1 as Envoy writes it: names in lower case.
func requestBytes(method, uri, host string, fields map[string]string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nhost: %s\r\n", method, uri, host)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		fmt.Fprintf(&b, "%s: %s\r\n", name, fields[name])
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

func exchangeBytes(addr, method string, request []byte) (response, error) {
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return response{}, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := conn.Write(request); err != nil {
		return response{}, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		return response{}, err
	}
	return readBody(resp)
}

func (p *envoyPlayer) reply(conn net.Conn, method string, resp response) {
	fmt.Fprintf(conn, "HTTP/1.1 %d Answer\r\nConnection: close\r\n", resp.Status)
	resp.Header.Del("Connection")
	if method != http.MethodHead {
		resp.Header.Set("Content-Length", fmt.Sprint(len(resp.Body)))
	}
	resp.Header.Write(conn)
	io.WriteString(conn, "\r\n"+resp.Body)
}
