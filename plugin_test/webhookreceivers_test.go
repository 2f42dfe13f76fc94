//go:build backends

package plugin_test

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// printedReceivers are the programs of docs/webhooks.md, by language: how each is run.
func printedReceivers(t *testing.T) map[string][]string {
	t.Helper()
	dir, commands := t.TempDir(), make(map[string][]string)
	for language, run := range map[string][]string{"go": {"main.go", "go", "run"}, "python": {"receiver.py", "python3"}, "javascript": {"receiver.mjs", "node"}} {
		blocks := regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(readFile(t, "docs/webhooks.md"), -1)
		if len(blocks) != 1 {
			t.Fatalf("docs/webhooks.md has %d programs in %s", len(blocks), language)
		}
		file := filepath.Join(dir, run[0])
		if err := os.WriteFile(file, []byte(blocks[0][1]), 0o600); err != nil {
			t.Fatal(err)
		}
		commands[language] = append(run[1:], file)
		if language == "go" { // a process of its own, which ends with the test
			binary := filepath.Join(dir, "receiver")
			if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, file).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			commands[language] = []string{binary}
		}
	}
	return commands
}

// printed is what a receiver prints: one line for each message that it takes.
type printed struct {
	mu    sync.Mutex
	lines []string
}

func (p *printed) all() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines, "\n")
}

func startPrintedReceiver(t *testing.T, command []string) (addr string, out *printed) {
	t.Helper()
	t.Setenv("PORT", "0")
	t.Setenv("WEBHOOK_SECRETS", webhookSecret+" "+oldWebhookSecret)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	runBackendTo(t, w, "", command[0], command[1:]...)
	w.Close()
	lines, out := bufio.NewScanner(r), new(printed)
	r.SetReadDeadline(time.Now().Add(patience))
	if !lines.Scan() {
		t.Fatalf("%v does not start: %v", command, lines.Err())
	}
	addr, ok := strings.CutPrefix(lines.Text(), "listening on ")
	if !ok {
		t.Fatalf("%v says %q", command, lines.Text())
	}
	go func() {
		r.SetReadDeadline(time.Time{})
		for lines.Scan() {
			out.mu.Lock()
			out.lines = append(out.lines, lines.Text())
			out.mu.Unlock()
		}
	}()
	return addr, out
}

// post sends a message that is signed with secrets, after a change of its headers.
func postHook(t *testing.T, addr, id, body string, at time.Time, change func(http.Header), secrets ...string) int {
	t.Helper()
	var signatures []string
	stamp := fmt.Sprint(at.Unix())
	for _, secret := range secrets {
		key, err := base64.StdEncoding.DecodeString(secret[len("whsec_"):])
		if err != nil {
			t.Fatal(err)
		}
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%s.%s", id, stamp, body)
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	req, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+addr+"/", bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("webhook-id", id)
	req.Header.Set("webhook-timestamp", stamp)
	req.Header.Set("webhook-signature", strings.Join(signatures, " "))
	if change != nil {
		change(req.Header)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// TestWebhookReceivers runs the receivers of the page as they are printed. They take
// what Keygate sends, once each, and nothing that is not genuine, whole and new.
func TestWebhookReceivers(t *testing.T) {
	for language, command := range printedReceivers(t) {
		t.Run(language, func(t *testing.T) {
			addr, out := startPrintedReceiver(t, command)
			g := startCaddy(t, webhookSite(oneWebhookSecret), "HOOK=http://"+addr+"/", "WEBHOOK_SECRET="+webhookSecret)
			k, _ := g.createKey(t, "--scope", "posts:read", "--name", "Übergröße <b>")
			g.mustCLI(t, "revoke", k.ID)
			await(t, "message", func() bool {
				return strings.Contains(out.all(), `"key.created"`) && strings.Contains(out.all(), `"key.revoked"`)
			})

			now, body := time.Now(), `{"type":"key.revoked","data":{"by":"J\u00fcrgen ü"}}`
			other := "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", 32)))
			set := func(name, value string) func(http.Header) {
				return func(h http.Header) { h.Set(name, value) }
			}
			for name, tt := range map[string]struct {
				ago     time.Duration
				change  func(http.Header)
				secrets []string
				taken   bool
			}{
				"genuine":             {0, nil, []string{webhookSecret}, true},
				"old secret":          {0, nil, []string{oldWebhookSecret}, true},
				"both":                {0, nil, []string{webhookSecret, oldWebhookSecret}, true},
				"one of them unknown": {0, nil, []string{other, oldWebhookSecret}, true},
				"4 minutes ago":       {4 * time.Minute, nil, []string{webhookSecret}, true},
				"6 minutes ago":       {6 * time.Minute, nil, []string{webhookSecret}, false},
				"in 6 minutes":        {-6 * time.Minute, nil, []string{webhookSecret}, false},
				"another secret":      {0, nil, []string{other}, false},
				"no signature":        {0, nil, nil, false},
				"another id":          {0, set("webhook-id", "msg_another"), []string{webhookSecret}, false},
				"another time":        {0, set("webhook-timestamp", fmt.Sprint(now.Unix()-1)), []string{webhookSecret}, false},
				"no time":             {0, set("webhook-timestamp", ""), []string{webhookSecret}, false},
				"odd time":            {0, set("webhook-timestamp", "1e9"), []string{webhookSecret}, false},
				"another version":     {0, func(h http.Header) { h.Set("webhook-signature", "v2"+h.Get("webhook-signature")[2:]) }, []string{webhookSecret}, false},
				"a part of it":        {0, func(h http.Header) { h.Set("webhook-signature", h.Get("webhook-signature")[:20]) }, []string{webhookSecret}, false},
				"rubbish":             {0, set("webhook-signature", "v1,, v1 , v1,ä= ,"), []string{webhookSecret}, false},
			} {
				id, text := "msg_"+language+strings.ReplaceAll(name, " ", "_"), strings.ReplaceAll(body, "ü", "ü "+name)
				at := time.Now().Add(-tt.ago) // of when it is sent: those before may have taken a while
				want := http.StatusUnauthorized
				if tt.taken {
					want = http.StatusNoContent
				}
				for range 2 { // the second time it is known
					if got := postHook(t, addr, id, text, at, tt.change, tt.secrets...); got != want {
						t.Errorf("%s: answered %d, want %d", name, got, want)
					}
				}
				lines := func() int { return strings.Count(out.all(), "ü "+name+`"`) }
				if tt.taken {
					await(t, "line about "+name, func() bool { return lines() > 0 })
				}
				if n := lines(); n > 1 || n == 1 != tt.taken {
					t.Errorf("%s was taken %d times", name, n)
				}
			}
		})
	}
}
