package plugin_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

const (
	webhookSecret    = "whsec_a2V5Z2F0ZS10ZXN0LXdlYmhvb2stc2VjcmV0LTE="
	oldWebhookSecret = "whsec_a2V5Z2F0ZS10ZXN0LXdlYmhvb2stc2VjcmV0LTI="
)

// webhookSite sends what options say to {$HOOK}.
func webhookSite(options string) string {
	return "{\n\tkeygate {\n\t\t" + bboltStore + "\n\t\twebhook {$HOOK} {\n" + options + "\n\t\t}\n\t}\n}\n:{$PORT} {\n\tkeygate {\n\t\tpublic GET /v1/status\n\t}\n}\n"
}

const oneWebhookSecret = "\t\t\tsecret {env.WEBHOOK_SECRET}"

// hookReceiver notes what it is sent.
type hookReceiver struct {
	*httptest.Server
	mu     sync.Mutex
	got    []hookMessage
	before func() // an answer
}

type hookMessage struct {
	id, body string
	Type     string
	Data     struct {
		KeyID string `json:"key_id"`
	}
}

func startHookReceiver(t testing.TB) *hookReceiver {
	r := new(hookReceiver)
	r.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		m := hookMessage{id: req.Header.Get("webhook-id"), body: string(body)}
		if err := json.Unmarshal(body, &m); err != nil {
			t.Errorf("%s: %v", body, err)
		}
		r.mu.Lock()
		r.got = append(r.got, m)
		before := r.before
		r.mu.Unlock()
		if before != nil {
			before()
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *hookReceiver) messages() []hookMessage {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

// times returns how often each message came, by what it is and the key that it is about.
func (r *hookReceiver) times() map[string]int {
	n := make(map[string]int)
	for _, m := range r.messages() {
		n[m.Type+" "+m.Data.KeyID]++
	}
	return n
}

// again returns how often the gateway has said that it sends a message again: an answer
// may come too late on a busy machine.
func (g *gateway) again(t testing.TB, id string) int {
	t.Helper()
	return len(g.logged(t, func(entry map[string]any) bool {
		return entry["id"] == id && entry["msg"] == "a webhook message was not delivered; it will be tried again"
	}))
}

// TestWebhookOutlivesKill kills Caddy between a delivery and its note, and changes a
// key while nothing runs. The message comes again as it was, and the change comes once.
func TestWebhookOutlivesKill(t *testing.T) {
	t.Parallel()
	r := startHookReceiver(t)
	g := startCaddy(t, webhookSite(oneWebhookSecret), "HOOK="+r.URL+"/sesame", "WEBHOOK_SECRET="+webhookSecret)
	reached, goOn := make(chan bool), make(chan bool)
	r.mu.Lock()
	r.before = func() {
		select {
		case reached <- true:
			<-goOn
		case <-goOn:
		}
	}
	r.mu.Unlock()
	k, token := g.createKey(t, "--scope", "posts:read")
	<-reached
	g.kill9(t)
	close(goOn)
	g.mustCLI(t, "revoke", "--db", "data/keygate.db", k.ID)
	g.start(t)
	created, revoked := "key.created "+k.ID, "key.revoked "+k.ID
	await(t, "message of the second change", func() bool { return r.times()[revoked] > 0 })
	await(t, "second delivery of the first", func() bool { return r.times()[created] > 1 })
	bodies, most := make(map[string]string), map[string]int{created: 2, revoked: 1}
	messages := r.messages()
	for _, m := range messages {
		if body, again := bodies[m.id]; again && body != m.body {
			t.Errorf("%s said %s and then %s", m.id, body, m.body)
		} else if !again {
			most[m.Type+" "+m.Data.KeyID] += g.again(t, m.id)
		}
		bodies[m.id] = m.body
		if m.Data.KeyID != k.ID || strings.Contains(m.body, token) {
			t.Errorf("told %s", m.body)
		}
	}
	if len(bodies) != 2 || len(messages) > most[created]+most[revoked] {
		t.Errorf("told %v, want no more than %v", messages, most)
	}
	log, err := os.ReadFile(g.Log)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"sesame", webhookSecret[6:20], token} {
		if strings.Contains(string(log), secret) {
			t.Errorf("the log has %s", secret)
		}
	}
}

// TestWebhookReload loads configs with another secret, with other events and without the
// webhook, while keys are made. Nothing is told twice, and nothing that was wanted is missing.
func TestWebhookReload(t *testing.T) {
	t.Parallel()
	r := startHookReceiver(t)
	g := startCaddy(t, webhookSite(oneWebhookSecret), "HOOK="+r.URL, "WEBHOOK_SECRET="+webhookSecret, "OLD_SECRET="+oldWebhookSecret)
	both := oneWebhookSecret + "\n\t\t\tsecret {env.OLD_SECRET}"
	without := strings.ReplaceAll(webhookSite(""), "\t\twebhook {$HOOK} {\n\n\t\t}\n", "")
	var want []string
	for i, config := range []string{
		webhookSite(both), without, webhookSite(both), "{\n\tkeygate {\n\t\twebhook {$HOOK} {\n\t\t\tsecret {env.NOT_THERE}\n\t\t}\n\t}\n}\n",
		webhookSite(oneWebhookSecret + "\n\t\t\tevents key.created"), webhookSite(oneWebhookSecret),
	} {
		k, _ := g.createKey(t, "--scope", "posts:read")
		want = append(want, k.ID)
		if result := g.reload(t, config); (result.Code == 0) == (i == 3) {
			t.Fatalf("config %d: %+v", i, result)
		}
	}
	await(t, "message of each", func() bool { return len(r.times()) >= len(want) })
	k, _ := g.createKey(t, "--scope", "posts:read")
	want = append(want, k.ID)
	await(t, "message of the last", func() bool { return len(r.times()) >= len(want) })
	var got []string
	times := make(map[string]int)
	for _, m := range r.messages() {
		if times[m.id]++; times[m.id] == 1 || times[m.id] > 1+g.again(t, m.id) {
			got = append(got, m.Data.KeyID)
		}
	}
	slices.Sort(got)
	if slices.Sort(want); !slices.Equal(got, want) {
		t.Errorf("told of %v, want %v", got, want)
	}
}
