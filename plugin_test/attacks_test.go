package plugin_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestAttacks runs every row of docs/attacks.md on each protocol that can
// express it.
func TestAttacks(t *testing.T) {
	t.Parallel()
	attacks := readAttacks(t, "../docs/attacks.md")
	if len(attacks) < 150 {
		t.Fatalf("%d rows: the table is not read as it is written", len(attacks))
	}
	g := startAttackGateway(t)
	alike := make(map[string]string) // answers that must be the same, by outcome and protocol
	for _, row := range attacks {
		row = row.with(g.names)
		for _, protocol := range row.Protocols {
			t.Run(fmt.Sprintf("line %d %s", row.Line, protocol), func(t *testing.T) {
				resp, err := g.send(protocol, row.Site, row.Request)
				if err != nil && row.Outcome != "refused" {
					t.Fatalf("no answer: %v", err)
				}
				g.check(t, row, resp)
				if row.Outcome != "401 invalid_key" && row.Outcome != "preflight" {
					return
				}
				same := withoutEcho(resp)
				if first, ok := alike[row.Outcome+protocol]; ok && first != same {
					t.Errorf("answered\n%s\nand another row\n%s", same, first)
				}
				alike[row.Outcome+protocol] = same
			})
		}
	}
	g.stop(t)
	wantCleanLog(t, g.Log)
	for token := range g.ids {
		scanForSecret(t, token, g.Dir)
	}
}

// withoutEcho is an answer in bytes, but for the time, the echoed origin and the instance.
func withoutEcho(resp response) string {
	h := resp.Header.Clone()
	h.Del("Date")
	if h.Get("Access-Control-Allow-Origin") != "" {
		h.Set("Access-Control-Allow-Origin", "(echo)")
	}
	var b strings.Builder
	h.Write(&b)
	return withoutInstance(fmt.Sprint(resp.Status, "\n", b.String(), "\n", resp.Body))
}

var denial = regexp.MustCompile(`^(\d{3}) ([a-z_]+)$`)

func (a *attackGateway) check(t *testing.T, row attack, resp response) {
	t.Helper()
	seen := a.backend.take()
	for _, secret := range append(a.secrets, canary) {
		if strings.Contains(fmt.Sprint(resp), secret) {
			t.Errorf("the answer contains %s: %+v", secret, resp)
		}
		if strings.Contains(fmt.Sprintf("%+v", seen), secret) && !strings.Contains(row.Request.Body+row.Request.Target, secret) {
			t.Errorf("the backend saw %s: %+v", secret, seen)
		}
	}
	outcome := row.Outcome
	if outcome == "passes" || outcome == "public" {
		if resp.Status != http.StatusOK || len(seen) != 1 {
			t.Fatalf("answered %d %s, and the backend saw %d requests; want 200 and one", resp.Status, resp.Body, len(seen))
		}
		a.checkSeen(t, row, seen[0])
		return
	}
	if len(seen) > 0 {
		t.Errorf("the backend saw %+v", seen)
	}
	if m := denial.FindStringSubmatch(outcome); m != nil {
		status, _ := strconv.Atoi(m[1])
		denied(t, resp, status, m[2])
		return
	}
	origin := resp.Header.Get("Access-Control-Allow-Origin")
	switch outcome {
	case "refused":
		if resp.Status != 0 && resp.Status < 400 || resp.Status >= 500 && resp.Status != 501 {
			t.Errorf("answered %d %s, want a refusal", resp.Status, resp.Body)
		}
	case "not forwarded":
		if resp.Status != http.StatusOK || resp.Body != "" {
			t.Errorf("answered %d %s, want an empty answer of Caddy", resp.Status, resp.Body)
		}
	case "preflight":
		if resp.Status != http.StatusNoContent || origin == "" || origin != row.field("Origin") {
			t.Errorf("answered %d to %q", resp.Status, origin)
		}
	case "preflight, not granted":
		if resp.Status != http.StatusNoContent || origin != "" {
			t.Errorf("answered %d to %q", resp.Status, origin)
		}
	default:
		t.Fatalf("the table says %q, which means nothing", outcome)
	}
}

func (a *attack) field(name string) string {
	for _, f := range a.Request.Fields {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// identityNames are ours as a CGI program finds them.
var identityNames = []string{"HTTP_SOCIALPATRA_KEY_ID", "HTTP_SOCIALPATRA_SCOPES", "HTTP_SOCIALPATRA_WORKSPACE"}

// checkSeen checks what reached the backend: the target in the bytes that were
// sent, exactly our identity, and nothing of what the client claimed.
func (a *attackGateway) checkSeen(t *testing.T, row attack, seen received) {
	t.Helper()
	target := row.Request.Target
	expected := make(map[string]string)
	for _, want := range row.Seen {
		if strings.HasPrefix(want, "/") {
			target = want
			continue
		}
		name, value, _ := strings.Cut(want, ": ")
		expected[http.CanonicalHeaderKey(name)] = value
	}
	if seen.Method != row.Request.Method || seen.URI != target {
		t.Errorf("the backend was asked for %s %q, want %s %q", seen.Method, seen.URI, row.Request.Method, target)
	}
	var identities []string
	for name, values := range seen.Header {
		value := strings.Join(values, "\n")
		switch variable := environmentName(name); {
		case strings.HasPrefix(variable, "HTTP_SOCIALPATRA"):
			identities = append(identities, variable)
		case variable == "HTTP_AUTHORIZATION" && expected[name] == value:
		case variable == "HTTP_AUTHORIZATION", variable == "HTTP_X_API_KEY":
			t.Errorf("the backend saw the credential %s: %s", name, value)
		}
		if want, ok := expected[name]; ok {
			if value != want {
				t.Errorf("the backend saw %s: %q, want %q", name, value, want)
			}
			delete(expected, name)
		} else if strings.Contains(strings.ToLower(name+value), "evil") {
			t.Errorf("the backend saw %s: %q", name, value)
		}
	}
	for name, value := range expected {
		t.Errorf("the backend did not see %s: %s", name, value)
	}
	slices.Sort(identities)
	want := identityNames
	if row.Outcome == "public" {
		want = nil
	}
	if !slices.Equal(identities, want) {
		t.Errorf("the backend saw the identity headers %q, want %q", identities, want)
	}
	if row.Outcome != "public" && (seen.Header.Get("SocialPatra-Workspace") != "acme" || seen.Header.Get("SocialPatra-Scopes") != "posts:read" ||
		!strings.Contains(fmt.Sprint(row.Request.Fields), "_"+seen.Header.Get("SocialPatra-Key-Id")+"_")) {
		t.Errorf("the backend saw another identity: %v", seen.Header)
	}
	if len(seen.Trailer) > 0 {
		t.Errorf("the backend saw the trailers %v", seen.Trailer)
	}
}

// wantCleanLog checks that every line is one JSON object, and that nothing in
// it was expanded by Caddy's replacer.
func wantCleanLog(t testing.TB, file string) {
	t.Helper()
	log, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for line := range strings.Lines(string(log)) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Errorf("a log line is no JSON object (%v): %q", err, line)
		}
		if strings.Contains(line, canary) || strings.ContainsAny(strings.TrimSuffix(line, "\n"), "\r\x1b\x00") {
			t.Errorf("a log line has a value or a control character that it must not have: %q", line)
		}
		lines++
	}
	if lines < 100 {
		t.Errorf("only %d lines were logged", lines)
	}
}
