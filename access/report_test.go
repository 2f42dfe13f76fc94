package access

import (
	"testing"
)

// What is only reported passes with its reason, and not as its key; keys that
// have ended are refused as ever.
func TestSettle(t *testing.T) {
	for _, reason := range Reasons() {
		for _, report := range []bool{false, true} {
			for _, ended := range []bool{false, true} {
				p := Policy{Report: report}
				d := Decision{Reason: reason, Ended: ended, Authenticated: true}
				p.Settle(&d)
				want := Decision{Reason: reason, Ended: ended, Authenticated: true}
				if report && reason != Allowed {
					want.WouldDeny = reason
					if !ended {
						want.Reason = Allowed
					}
				}
				if d != want {
					t.Errorf("report %t, ended %t, %s: %+v, want %+v", report, ended, reason, d, want)
				}
				if d.Identified() != (reason == Allowed) {
					t.Errorf("report %t, ended %t, %s: identified %t", report, ended, reason, d.Identified())
				}
			}
		}
	}
	if (&Decision{Reason: Allowed}).Identified() {
		t.Error("nobody is somebody")
	}
}

// Mode report decides as enforcement does. It knows more of one thing: whether a
// token that is not looked up is that of a key that has ended.
func TestReportDecidesTheSame(t *testing.T) {
	k := newKeys()
	enforce, report := testPolicy(t, k), testPolicy(t, k)
	report.Report = true
	for _, kind := range everyKind(t, k) {
		for _, over := range []bool{false, true} {
			for _, foreign := range []bool{false, true} {
				q := request("GET", "/v1/posts", "")
				q.Authorization, q.OverFailures = []string{kind.schemed}, over
				enforce.Foreign, report.Foreign = foreign, foreign
				want, got := enforce.Decide(q), report.Decide(q)
				if got.Reason != want.Reason || got.Authenticated != want.Authenticated || got.Foreign != want.Foreign || got.Detail != want.Detail {
					t.Errorf("%s, over %t, foreign %t: %+v, enforced %+v", kind.name, over, foreign, got, want)
				}
				ended := kind.name == "revoked" || kind.name == "disabled" || kind.name == "expired" || kind.name == "revoked, of another system"
				if got.Ended != ended {
					t.Errorf("%s, over %t: ended %t", kind.name, over, got.Ended)
				}
			}
		}
	}
	enforce.Foreign, report.Foreign = false, false
	// The credential of another system goes on, ours never does.
	ours, _ := k.add(t, nil)
	for token, want := range map[string]bool{opaqueToken: true, ours: false} {
		if d := report.Decide(request("GET", "/v1/posts", token)); d.Reason != Allowed || d.Untouched.Authorization != want {
			t.Errorf("%.6s: %+v", token, d)
		}
		if d := enforce.Decide(request("GET", "/v1/posts", token)); d.Reason != Allowed || d.Untouched != (Untouched{}) {
			t.Errorf("%.6s, enforced: %+v", token, d)
		}
	}
	// What is beside a key goes on, unless a token of the brand is in it.
	for value, want := range map[string]bool{"Digest username=\"ada\"": true, "Digest username=\"patra_bot\"": false} {
		q := request("GET", "/v1/posts", "")
		q.Authorization, q.KeyHeader = []string{value}, []string{ours}
		if d := report.Decide(q); d.Reason != Allowed || d.Untouched.Authorization != want {
			t.Errorf("%s: %+v", value, d)
		}
	}
}
