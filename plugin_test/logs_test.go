package plugin_test

import (
	"bufio"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"
)

// logged returns the entries of the gateway's log that match, in order.
func (g *gateway) logged(t testing.TB, match func(entry map[string]any) bool) []map[string]any {
	t.Helper()
	f, err := os.Open(g.Log)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var found []map[string]any
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var entry map[string]any
		if json.Unmarshal(lines.Bytes(), &entry) == nil && match(entry) {
			found = append(found, entry)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}

func withMessage(message string) func(map[string]any) bool {
	return func(entry map[string]any) bool { return entry["msg"] == message }
}

// TestLogs makes one request of each kind, and looks at what the logs say of
// it and of the changes.
func TestLogs(t *testing.T) {
	t.Parallel()
	g, _ := startSite(t)
	k, token := g.createKey(t, "--scope", "posts:read", "--per-minute", "1")
	named := func(reason string) map[string]any {
		return map[string]any{"reason": reason, "key_id": k.ID, "workspace": "acme"}
	}
	nobody := func(reason string) map[string]any { return map[string]any{"reason": reason} }
	requests := []struct {
		path, credential string
		status           float64
		keygate          map[string]any
	}{
		{"/v1/status", bearer(token), 200, nobody("allowed")},
		{"/v1/posts", bearer(token), 200, named("allowed")},
		{"/v1/posts", bearer(token), 429, named("rate_limited")},
		{"/v1/posts/1/2", bearer(token), 403, named("route_not_mapped")},
		{"/v1/posts", "X-Other: none", 401, nobody("missing_key")},
		{"/v1/posts", bearer(token + "x"), 401, nobody("invalid_key")},
		{"/v1//posts", bearer(token), 400, nobody("ambiguous_path")},
	}
	var denials []map[string]any
	instances := make(map[string]bool)
	for _, r := range requests {
		resp := g.do(t, "GET", r.path, "", r.credential)
		if r.status != 200 {
			// What the holder of a key is told is what the log is searched for.
			r.keygate["instance"] = resp.Header.Get("Request-Id")
			instances[resp.Header.Get("Request-Id")] = true
			denials = append(denials, r.keygate)
		}
	}
	g.mustCLI(t, "revoke", k.ID)
	g.stop(t) // all is written

	access := g.logged(t, func(entry map[string]any) bool {
		logger, _ := entry["logger"].(string)
		return strings.HasPrefix(logger, "http.log.access")
	})
	if len(access) != len(requests) {
		t.Fatalf("%d entries in the access log, want %d", len(access), len(requests))
	}
	for i, r := range requests {
		if got := access[i]["keygate"]; !reflect.DeepEqual(got, any(r.keygate)) || access[i]["status"] != r.status {
			t.Errorf("%s: logged %v with status %v; want %v with %v", r.path, got, access[i]["status"], r.keygate, r.status)
		}
	}

	if len(instances) != len(denials) {
		t.Errorf("%d instances of %d denials", len(instances), len(denials))
	}
	debug := g.logged(t, withMessage("request denied"))
	if len(debug) != len(denials) {
		t.Fatalf("%d denials are logged, want %d", len(debug), len(denials))
	}
	for i, want := range denials {
		entry := debug[i]
		if entry["level"] != "debug" || entry["client_ip"] != "127.0.0.1" || entry["reason"] != want["reason"] || entry["key_id"] != want["key_id"] || entry["instance"] != want["instance"] {
			t.Errorf("logged %v; want %v at debug", entry, want)
		}
	}

	changes := g.logged(t, withMessage("key changed"))
	if len(changes) != 2 {
		t.Fatalf("%d changes are logged, want 2", len(changes))
	}
	for i, action := range []string{"create", "revoke"} {
		via, _ := changes[i]["via"].(string)
		if changes[i]["level"] != "info" || changes[i]["action"] != action || changes[i]["key_id"] != k.ID || !strings.HasPrefix(via, "api 127.0.0.1:") {
			t.Errorf("logged %v; want %s of %s at info", changes[i], action, k.ID)
		}
	}
	for _, entry := range g.logged(t, func(map[string]any) bool { return true }) {
		if entry["level"] == "error" {
			t.Errorf("an error is logged: %v", entry)
		}
	}
}

// TestTrace has Caddy's own tracing print its spans.
func TestTrace(t *testing.T) {
	t.Parallel()
	b := startBackend(t)
	config := strings.Replace(siteWith(), "\tlog\n\tkeygate {", "\tlog\n\ttracing {\n\t\tspan gateway\n\t}\n\tkeygate {", 1)
	g := startCaddy(t, config, "BACKEND="+b.Addr, "OTEL_TRACES_EXPORTER=console")
	k, token := g.createKey(t, "--scope", "posts:read")
	g.do(t, "GET", "/v1/posts", "", bearer(token))
	g.do(t, "POST", "/v1/posts", "", bearer(token))
	g.do(t, "GET", "/v1/posts", "")
	g.stop(t) // spans are written in batches, and at the end

	spans := g.logged(t, func(entry map[string]any) bool { return entry["Name"] == "gateway" })
	var got []map[string]string
	for _, span := range spans {
		attributes := make(map[string]string)
		list, _ := span["Attributes"].([]any)
		for _, a := range list {
			attribute, _ := a.(map[string]any)
			value, _ := attribute["Value"].(map[string]any)
			if key, _ := attribute["Key"].(string); strings.HasPrefix(key, "keygate.") {
				attributes[key], _ = value["Value"].(string)
			}
		}
		got = append(got, attributes)
	}
	want := []map[string]string{
		{"keygate.decision": "allowed", "keygate.reason": "allowed", "keygate.key_id": k.ID},
		{"keygate.decision": "denied", "keygate.reason": "insufficient_scope", "keygate.key_id": k.ID},
		{"keygate.decision": "denied", "keygate.reason": "missing_key"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("spans have %v\nwant %v", got, want)
	}
}

// awaitLog waits for a line of the gateway's log that has all the words.
func (g *gateway) awaitLog(t testing.TB, words ...string) {
	t.Helper()
	await(t, "a line with "+strings.Join(words, ", "), func() bool {
		log, err := os.ReadFile(g.Log)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(log)) {
			if has(line, words) {
				return true
			}
		}
		return false
	})
}

func has(line string, words []string) bool {
	for _, word := range words {
		if !strings.Contains(line, word) {
			return false
		}
	}
	return true
}
