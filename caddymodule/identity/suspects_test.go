package identity

import (
	"strings"
	"testing"

	"github.com/socialpatra/keygate/internal/headers"
)

// Few headers of clients are looked at closely: all that are taken off, and none
// of those that nearly every request has.
func TestSuspects(t *testing.T) {
	id := New("Socialpatra-", "X-Api-Key")
	long := "Socialpatra-" + strings.Repeat("x", 100)
	for _, name := range []string{"X-Api-Key", "x-api-key", "Socialpatra-", "SOCIALPATRA-KEY-ID", long, "Authorization", "Connection", "X-Real-Ip", "Cf-Connecting-Ipv6"} {
		if !id.suspects.Has(name) {
			t.Errorf("%s is not looked at", name)
		}
	}
	for name, why := range headers.Removed {
		if has := id.suspects.Has(name); why != headers.Alias && !has {
			t.Errorf("%s is not looked at", name)
		}
	}
	for _, name := range []string{"", "Accept", "Host", "User-Agent", "Cookie", "Accept-Encoding", "Accept-Language", "Cache-Control", "Range", "Pragma", "Dnt", "Origin"} {
		if id.suspects.Has(name) {
			t.Errorf("%s is looked at", name)
		}
	}
	other, keyed := New("Socialpatra-", ""), New("A-", "X-Key")
	if other.suspects.Has("X-Key") || !keyed.suspects.Has("X-Key") {
		t.Error("X-Key is looked at where it is nobody's, or not where it is the key's")
	}
	if other.suspects.Has("Socialpatra") || other.suspects.Has("Qocialpatra-Key-Id") {
		t.Error("what does not begin with the prefix is looked at")
	}
}

// Names that are too long to be folded are told by their beginning.
func TestLongNames(t *testing.T) {
	id := New("Socialpatra-", "X-Api-Key")
	for length := 55; length < 75; length++ {
		for begins, want := range map[string]fate{
			"Socialpatra-": forged, "SOCIALPATRA-": forged, "Socialpatra_": forged, "Social.patra-": stays, "Xocialpatra-": stays, "X-Api-Key": stays, "Connection": stays,
		} {
			name := begins + strings.Repeat("a", length-len(begins))
			if got := id.fateOf(name, headers.SpellingOf(name), false); got != want {
				t.Errorf("%s: %d, want %d", name, got, want)
			}
		}
	}
}
