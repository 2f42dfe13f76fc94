package command

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/command/term"
	"github.com/socialpatra/keygate/review"
)

func update(change review.Change) *review.Suggestion {
	return &review.Suggestion{Do: review.Update, Change: &change}
}

// What was found is printed whole, with a command below it that can be typed.
func TestCommandReview(t *testing.T) {
	less := update(review.Change{Scopes: []string{"posts:read", "queue:read"}})
	address := answering(t, http.StatusOK, adminapi.ReviewResponse{Keys: []adminapi.ReviewedKey{
		{Prefix: "patra_000000000001", Workspace: "acme", Name: "Old bot", Findings: []review.Finding{
			{Code: review.Idle, Detail: "last used 120 days ago, on 2026-07-26", Suggest: &review.Suggestion{Do: review.Disable}},
			{Code: review.NoExpiry, Detail: "never expires"},
		}},
		{Prefix: "patra_000000000002", Workspace: "globex", Name: "Zap\x1b[31m", Findings: []review.Finding{
			{Code: review.Expiring, Detail: "expires in 6 days, on 2026-11-29", Suggest: update(review.Change{ExpiresInDays: 365})},
			{Code: review.UnusedScope, Scope: "ai:generate", Detail: "ai:generate was not used in the 95 days that it was watched", Suggest: less},
			{Code: review.UnusedScope, Scope: "posts:write", Detail: "posts:write was last used 91 days ago, on 2026-08-24", Suggest: less},
			{Code: review.OneNetwork, Detail: "network", Suggest: update(review.Change{AllowedIPs: []string{"203.0.113.0/24"}})},
			{Code: review.HighLimits, Detail: "limits", Suggest: update(review.Change{Limits: &review.LimitChange{PerDay: 400}})},
		}},
	}})
	const want = `
patra_000000000001  acme  Old bot
  idle          last used 120 days ago, on 2026-07-26
                caddy keygate disable patra_000000000001
  no_expiry     never expires

patra_000000000002  globex  Zap\x1b[31m
  expiring      expires in 6 days, on 2026-11-29
                caddy keygate update patra_000000000002 --expires-in-days 365
  unused_scope  ai:generate was not used in the 95 days that it was watched
  unused_scope  posts:write was last used 91 days ago, on 2026-08-24
                caddy keygate update patra_000000000002 --scope posts:read,queue:read
  one_network   network
                caddy keygate update patra_000000000002 --ip 203.0.113.0/24
  high_limits   limits
                caddy keygate update patra_000000000002 --per-day 400

There is something to do about 2 keys.
`
	for _, width := range []int{0, 40} {
		if got := (person{width: width}).mustRun(t, "review", "--address", address); "\n"+got != want {
			t.Errorf("width %d: got\n%s\nwant%s", width, got, want)
		}
	}
	coloured := person{colour: true}.mustRun(t, "review", "--address", address)
	if plain := strings.NewReplacer(term.Yellow, "", term.ColourEnd, "").Replace(coloured); "\n"+plain != want || plain == coloured {
		t.Errorf("in colour: %q", coloured)
	}
}

// It lists and changes nothing, so that its exit status is 0 with findings too.
// Every command that it prints is one that works, and leaves nothing to do.
func TestCommandReviewCommandsWork(t *testing.T) {
	at := serveStore(t, openStore(t))
	if o := (person{}).run("review", "--address", at); o.failed || o.stdout != "" || !strings.Contains(o.stderr, "nothing to do about any key") {
		t.Errorf("without keys: %+v", o)
	}
	for _, expiry := range [][]string{{"--expires-in-days", "20"}, {"--never-expires"}} {
		args := append([]string{"create", "--address", at, "--workspace", "acme", "--name", "n", "--scope", "posts:read"}, expiry...)
		if expiry[0] == "--never-expires" {
			args = args[:len(args)-1]
		}
		person{}.mustRun(t, args...)
	}
	got := person{}.mustRun(t, "review", "--address", at, "--workspace", "acme")
	done := 0
	for line := range strings.Lines(got) {
		typed, ok := strings.CutPrefix(strings.TrimSpace(line), "caddy keygate ")
		if !ok {
			continue
		}
		person{}.mustRun(t, append(strings.Fields(typed), "--address", at)...)
		done++
	}
	left := person{}.mustRun(t, "review", "--address", at)
	if done != 2 || strings.Contains(left, "caddy keygate") || strings.Contains(left, "expir") || strings.Count(left, "never_used") != 2 {
		t.Errorf("%d commands of\n%sleave\n%s", done, got, left)
	}
	var all adminapi.ReviewResponse
	if err := json.Unmarshal([]byte(person{}.mustRun(t, "review", "--address", at, "--json")), &all); err != nil || len(all.Keys) != 2 {
		t.Errorf("--json: %v, %+v", err, all)
	}
}
