package plugin_test

import (
	"strings"
	"testing"
)

// While the disk does not answer, a revocation hangs. Requests are decided, and
// health, doctor and metrics tell of the change; once it is made they do not.
func TestDiskDoesNotAnswer(t *testing.T) {
	t.Parallel()
	g, _ := startSite(t)
	k, token := g.createKey(t, "--scope", "posts:read")
	g.stop(t)
	f := g.startWithFaults(t)
	waiting := func() float64 {
		return byLabel(g.metrics(t)["caddy_keygate_change_waiting_seconds"])[""]
	}
	if seconds, r := waiting(), g.cli(t, "keygate", "health"); seconds != 0 || r.Code != 0 || strings.Contains(r.Stderr, "warning") {
		t.Fatalf("before: %v, %+v", seconds, r)
	}
	release := f.hold()
	defer release()
	revoked := make(chan response, 1)
	go func() { revoked <- g.adminDo(t, "POST", "/keygate/keys/"+k.ID+"/revoke", "") }()
	await(t, "metric that tells of the change", func() bool { return waiting() > 0 })
	if resp := g.get(t, token); resp.Status != 200 {
		t.Errorf("a request: %d %s", resp.Status, resp.Body)
	}
	await(t, "health that tells of the change", func() bool {
		r := g.cli(t, "keygate", "health")
		return r.Code == 0 && r.Stdout == "ready\n" && strings.Contains(r.Stderr, "warning: a change has waited for ")
	})
	if r := g.cli(t, "keygate", "doctor"); !strings.Contains(r.Stdout, "a change has waited for ") || !strings.Contains(r.Stdout, "dmesg") || strings.Contains(r.Stdout, "systemctl restart") {
		t.Errorf("doctor: %s", r.Stdout)
	}
	release()
	if resp := <-revoked; resp.Status != 200 {
		t.Errorf("the revocation: %d %s", resp.Status, resp.Body)
	}
	denied(t, g.get(t, token), 401, "key_revoked")
	await(t, "end of the waiting", func() bool { return waiting() == 0 })
	if r := g.cli(t, "keygate", "health"); r.Code != 0 || strings.Contains(r.Stderr, "warning") {
		t.Errorf("afterwards: %+v", r)
	}
}
