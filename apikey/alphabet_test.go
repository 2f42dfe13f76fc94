package apikey

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// The alphabets as their rules have them, written out, so that a test can walk
// all bytes there are.
const (
	lower  = "abcdefghijklmnopqrstuvwxyz"
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits = "0123456789"
)

// form is the form of a text: the characters it may begin with, those that may
// follow, those that may only stand between two others, and how many it has at
// least and at most; 0: as many as there are.
type form struct {
	name                  string
	first, later, between string
	least, most           int
	accepts               func(string) bool
}

var forms = []form{
	{"workspace", lower + upper + digits, lower + upper + digits + "._-", "", 1, 64, func(s string) bool { return CheckWorkspace(s) == nil }},
	{"brand", lower, lower + digits, "", 2, 16, func(s string) bool { return CheckBrand(s) == nil }},
	{"brand of a reference", lower, lower + digits, "", 2, 16, func(s string) bool {
		id, err := ParseRef(s + "_" + testID)
		return err == nil && id.String() == testID
	}},
	{"resource", lower, lower + digits + "_-", "", 1, 62, func(s string) bool { return CheckScope(s+":a") == nil }},
	{"action", lower, lower + digits + "_-", "", 1, 62, func(s string) bool { return CheckScope("a:"+s) == nil }},
	{"ID", lower + upper + digits, lower + upper + digits, "", 12, 12, func(s string) bool { _, err := ParseID(s); return err == nil }},
	{"ID of a token", lower + upper + digits, lower + upper + digits, "", 12, 12, func(s string) bool { return parsesWith(s, testToken[19:51]) }},
	{"secret of a token", lower + upper + digits, lower + upper + digits, "", 32, 32, func(s string) bool { return parsesWith(testID, s) }},
	{"label of an origin", lower + upper + digits + "_-", lower + upper + digits + "_-", ".", 1, 63, func(s string) bool {
		o, err := ParseOrigin("https://" + s + ".example")
		return err == nil && o.String() == "https://"+strings.ToLower(s)+".example"
	}},
	{"labels below a wildcard", lower + digits + "_-", lower + digits + "_-", ".", 1, 0, func(s string) bool {
		o, err := ParseOrigin("https://*.shop.example")
		return err == nil && o.Matches("https://"+s+".shop.example")
	}},
	{"name", visible, visible, " ", 1, 100, func(s string) bool { return checkText("name", s, 1, MaxNameLen) == nil }},
	{"description", visible, visible, " ", 0, 500, func(s string) bool { return checkText("description", s, 0, MaxDescriptionLen) == nil }},
}

const visible = lower + upper + digits + "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"

// parsesWith reports whether a token of these parts is one, with the checksum
// that is right for it.
func parsesWith(id, secret string) bool {
	body := "patra_" + id + "_" + secret
	sum := checksum(body)
	got, ok := Parse("patra", body+string(sum[:]))
	return ok && got.String() == id
}

// Every byte, as the first, a middle and the last character, is accepted where
// the rule has it, and nowhere else.
func TestAlphabets(t *testing.T) {
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			length := max(3, f.least)
			for _, at := range []int{0, 1, length / 2, length - 1} {
				alphabet := f.later
				switch at {
				case 0:
					alphabet = f.first
				case 1, length / 2:
					alphabet += f.between
				}
				for c := range 256 {
					text := []byte(strings.Repeat("a", length))
					text[at] = byte(c)
					if want, got := strings.IndexByte(alphabet, byte(c)) >= 0, f.accepts(string(text)); got != want {
						t.Errorf("%q is accepted: %t", text, got)
					}
				}
			}
		})
	}
}

// Every length is accepted between the two bounds, and no other.
func TestLengths(t *testing.T) {
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			for n := range max(f.most, 300) + 3 {
				if want, got := n >= f.least && (n <= f.most || f.most == 0), f.accepts(strings.Repeat("a", n)); got != want {
					t.Errorf("%d characters are accepted: %t", n, got)
				}
			}
		})
	}
}

// A token in a text begins with a brand, whatever stands before that.
func TestTokenBehindAnyText(t *testing.T) {
	brand := regexp.MustCompile(`[a-z][a-z0-9]{1,15}$`)
	check := func(before string) {
		if want, got := brand.MatchString(before), ContainsToken(before+testToken[5:]); got != want {
			t.Errorf("behind %q a token is found: %t", before, got)
		}
	}
	for c := range 256 {
		one := string([]byte{byte(c)})
		for _, before := range []string{one, one + "a", one + "0", one + "gk", one + "a0", one + "z9", "a" + one, "ab" + one, "a" + one + "0"} {
			check(before)
		}
	}
	for n := range 20 {
		check("a" + strings.Repeat("0", n))
		check("-a" + strings.Repeat("9", n))
		check(strings.Repeat("z", n))
		check(strings.Repeat("7", n) + "a")
	}
}

// A text holds a token where each of its characters is one that a token has there.
func TestTokenOfEveryByte(t *testing.T) {
	for at := len("patra"); at < len(testToken); at++ {
		for c := range 256 {
			text := []byte(" " + testToken + " ")
			text[at+1] = byte(c)
			want := strings.IndexByte(lower+upper+digits, byte(c)) >= 0
			if at == 5 || at == 18 {
				want = c == '_'
			}
			if got := ContainsToken(string(text)); got != want {
				t.Errorf("%q holds a token: %t", text, got)
			}
			if got := Quote(string(text)) == "<a token>"; want && !got {
				t.Errorf("%q is shown", text)
			}
		}
	}
}

// What resembles a token is quoted from 16 characters of its secret on, and
// whole up to 64 bytes.
func TestQuoteBounds(t *testing.T) {
	for n := range SecretLen + ChecksumLen + 1 {
		for _, before := range []string{"", "patra_", "_", "a b_", "a b ", `"`, "é"} {
			text := before + testID + "_" + testToken[19:19+n]
			if want, got := n >= 16, Quote(text) == "<a token>"; got != want {
				t.Errorf("%q is hidden: %t", text, got)
			}
		}
	}
	for n := range 70 {
		text := strings.Repeat("a", n)
		want := fmt.Sprintf("%q", text)
		if n > 64 {
			want = fmt.Sprintf("%q…", text[:64])
		}
		if got := Quote(text); got != want {
			t.Errorf("of %d bytes: %s", n, got)
		}
	}
}

// An underscore parts the brand of a reference from its ID, and nothing else does.
func TestReferencesAreSplitAtUnderscores(t *testing.T) {
	for c := range 256 {
		ref := "patra" + string([]byte{byte(c)}) + testID
		id, err := ParseRef(ref)
		if want := c == '_'; (err == nil) != want || want && id.String() != testID || !want && !id.IsZero() {
			t.Errorf("%q is read as %q, %v", ref, id, err)
		}
	}
	for _, ref := range []string{"patra" + testID, "_" + testID, "__" + testID, "patra__" + testID, "patra_" + testID + "_", "patra_gk_" + testID} {
		if id, err := ParseRef(ref); err == nil {
			t.Errorf("%q is read as %s", ref, id)
		}
	}
}
