package tokenscan

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/socialpatra/keygate/apikey"
)

// escapings are ways of writing a character so that a token is found.
var escapings = map[string]func(c byte) string{
	"JSON":         func(c byte) string { return fmt.Sprintf(`\u%04x`, c) },
	"JSON, upper":  func(c byte) string { return fmt.Sprintf(`\u%04X`, c) },
	"JavaScript":   func(c byte) string { return fmt.Sprintf(`\x%02x`, c) },
	"URL":          func(c byte) string { return fmt.Sprintf(`%%%02X`, c) },
	"URL, lower":   func(c byte) string { return fmt.Sprintf(`%%%02x`, c) },
	"HTML":         func(c byte) string { return fmt.Sprintf(`&#%d;`, c) },
	"HTML, zeros":  func(c byte) string { return fmt.Sprintf(`&#%07d;`, c) },
	"HTML, hex":    func(c byte) string { return fmt.Sprintf(`&#x%X;`, c) },
	"HTML, X":      func(c byte) string { return fmt.Sprintf(`&#X%x;`, c) },
	"a name":       func(c byte) string { return map[byte]string{'_': "&lowbar;", '&': "&amp;"}[c] },
	"a backslash":  func(c byte) string { return map[byte]string{'_': `\_`, '\\': `\\`}[c] },
	"no escape is": func(byte) string { return "" },
}

// escape writes the characters of s for which which is true in that way, as far
// as it has one for them.
func escape(s string, by func(byte) string, which func(byte) bool) string {
	var b strings.Builder
	for i := range len(s) {
		escaped := ""
		if which(s[i]) {
			escaped = by(s[i])
		}
		if escaped == "" {
			escaped = s[i : i+1]
		}
		b.WriteString(escaped)
	}
	return b.String()
}

func separators(c byte) bool { return c == '_' || !base62[c] }
func all(byte) bool          { return true }

// scan returns the tokens that are found, each with its line.
func scan(t *testing.T, s Scanner, text string) (tokens []string, lines []int64) {
	t.Helper()
	n, err := s.Scan(strings.NewReader(text), func(f Find) error {
		tokens, lines = append(tokens, f.Token()), append(lines, f.Line)
		return nil
	})
	if err != nil || n != int64(len(text)) {
		t.Fatalf("%d of %d bytes are read, %v", n, len(text), err)
	}
	return tokens, lines
}

func newToken(brand string) string {
	token, _, _ := apikey.Generate(brand)
	return token
}

// A token is found wherever it stands: as it is behind and before any byte, and
// escaped in any of the ways, up to three times over, as a whole or where it has
// to be.
func TestFindsEveryForm(t *testing.T) {
	token := newToken("patra")
	want := []string{token}
	for c := range 256 {
		around := string([]byte{byte(c)})
		for _, text := range []string{around + token, token + around, around + token + around, around + around + token + "x" + around, "_" + around + token} {
			if got, _ := scan(t, Scanner{window: 16 << 10}, text); !slices.Equal(got, want) {
				t.Errorf("in %q: %d are found", around, len(got))
			}
		}
	}
	for name, by := range escapings {
		for second, bySecond := range escapings {
			for third, byThird := range escapings {
				for how, which := range map[string]func(byte) bool{"all": all, "separators": separators} {
					text := escape(escape(escape(token, by, which), bySecond, separators), byThird, separators)
					if got, lines := scan(t, Scanner{window: 16 << 10}, "\n\""+text+"\"\n"); !slices.Equal(got, want) || lines[0] != 2 {
						t.Errorf("%s, %s, %s, of %s: %d are found", name, second, third, how, len(got))
					}
				}
			}
		}
	}
	wide := func(order ...string) string {
		return order[0] + strings.NewReplacer("*", "").Replace(escape("key: "+token+"\n", func(c byte) string { return fmt.Sprintf(order[1], c) }, all))
	}
	for _, text := range []string{wide("\xff\xfe", "%c\x00"), wide("\xfe\xff", "\x00%c")} {
		if got, _ := scan(t, Scanner{window: 16 << 10}, text); !slices.Equal(got, want) {
			t.Errorf("in UTF-16 %d are found", len(got))
		}
	}
}

// Without its checksum nothing is a token: not with another character anywhere,
// with one more or less, or in parts.
func TestFindsNothingElse(t *testing.T) {
	token := newToken("patra")
	for at := range len(token) {
		for c := range 256 {
			changed := []byte(token)
			if changed[at] == byte(c) {
				continue
			}
			changed[at] = byte(c)
			if got, _ := scan(t, Scanner{window: 16 << 10}, string(changed)); len(got) > 0 {
				t.Errorf("with %q at %d: %d are found", byte(c), at, len(got))
			}
		}
		for _, text := range []string{token[:at], token[at+1:], token[:at] + token[at+1:], token[:at] + "0" + token[at:], token[:at] + "\n" + token[at:]} {
			if strings.Contains(text, token) { // as with a 0 before its last character, if that is 0
				continue
			}
			if got, _ := scan(t, Scanner{window: 16 << 10}, text); len(got) > 0 {
				t.Errorf("without what is at %d, or with more: %q", at, got)
			}
		}
	}
}

// slowly finds the tokens of a text by looking at every byte, and at the whole of
// it three more times, each time with one layer of escapes less.
func slowly(text string) (tokens []string) {
	for range 4 {
		for i := range len(text) {
			for n := 2; n <= longestBrand; n++ {
				if end := i + n + tail; end <= len(text) && text[i+n] == '_' && apikey.CheckBrand(text[i:i+n]) == nil {
					if _, ok := apikey.Parse(text[i:i+n], text[i:end]); ok {
						tokens = append(tokens, text[i:end])
					}
				}
			}
		}
		text = string(unescape(nil, []byte(text)))
	}
	slices.Sort(tokens)
	return slices.Compact(tokens)
}

// Random texts with tokens in all forms at all offsets, also around the ends of
// windows: what is found is what a slow search finds, with its line, and all that
// was planted.
func TestFindsEveryPlantedToken(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	t.Logf("seed %d", seed)
	brands := []string{"patra", "gk", "a0", "a234567890123456", "acme", "fe12"}
	alphabets := []string{
		"abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
		"_", `_\%&#;ux05fF9`, "ab _\n", "abcdef \"\n,:{}", "\n", "a\x00\xff \n", "0123456789abcdef%_",
	}
	noise := func(n int) string {
		alphabet := alphabets[r.IntN(len(alphabets))]
		b := make([]byte, n)
		for i := range b {
			b[i] = alphabet[r.IntN(len(alphabet))]
		}
		return string(b)
	}
	ways := make([]func(byte) string, 0, len(escapings))
	for _, way := range escapings {
		ways = append(ways, way)
	}
	const window = 16 << 10
	for round := range 150 {
		var text strings.Builder
		var planted []string
		for text.Len() < 3*window {
			text.WriteString(noise(r.IntN(window / (1 + r.IntN(40)))))
			token := newToken(brands[r.IntN(len(brands))])
			planted = append(planted, token)
			if r.IntN(2) == 0 {
				text.WriteString(token)
				continue
			}
			which := []func(byte) bool{all, separators}[r.IntN(2)]
			written := escape(token, ways[r.IntN(len(ways))], which)
			for range r.IntN(3) {
				written = escape(written, ways[r.IntN(len(ways))], separators)
			}
			// Who escapes a token escapes what stands around it as well.
			text.WriteString(" " + written + " ")
		}
		// Another round begins a byte later, so that borders fall everywhere.
		whole := strings.Repeat(" ", round) + text.String()
		got, lines := scan(t, Scanner{window: window}, whole)
		for i, token := range got {
			if at := strings.Index(whole, token); at >= 0 && int64(strings.Count(whole[:at], "\n")+1) != lines[i] {
				t.Errorf("a token is in line %d, want %d", lines[i], strings.Count(whole[:at], "\n")+1)
			}
		}
		slices.Sort(got)
		got = slices.Compact(got)
		for _, token := range planted {
			if !slices.Contains(got, token) {
				t.Errorf("round %d: a planted token is not found", round)
			}
		}
		if round < 15 && !slices.Equal(got, slowly(whole)) {
			t.Errorf("round %d: %d are found, want %d", round, len(got), len(slowly(whole)))
		}
	}
}

// A token is found once, at every offset around the end of a window, in text and
// within a run of more than one window; and so however the stream comes.
func TestBorders(t *testing.T) {
	const window = 512
	token := newToken("patra")
	for _, filler := range []string{" ", "a", "_", "%", "9\n"} {
		for at := range 3 * window {
			text := strings.Repeat(filler, at)[:at] + token + strings.Repeat(filler, window)
			if got, _ := scan(t, Scanner{window: window}, text); len(got) != 1 || got[0] != token {
				t.Fatalf("behind %d of %q: %d are found", at, filler, len(got))
			}
		}
	}
	text := strings.Repeat("x", 700) + token + "\n" + strings.Repeat("y ", 700) + "\n" + token
	for name, r := range map[string]io.Reader{
		"byte by byte":          iotest.OneByteReader(strings.NewReader(text)),
		"in halves":             iotest.HalfReader(strings.NewReader(text)),
		"the end with the data": iotest.DataErrReader(strings.NewReader(text)),
	} {
		var lines []int64
		n, err := (Scanner{window: window}).Scan(r, func(f Find) error { lines = append(lines, f.Line); return nil })
		if err != nil || n != int64(len(text)) || !slices.Equal(lines, []int64{1, 3}) {
			t.Errorf("%s: lines %d, %d bytes, %v", name, lines, n, err)
		}
	}
}

// A run of characters names a token once, and the next one again.
func TestTellsOnceForARun(t *testing.T) {
	one, other := newToken("patra"), newToken("patra")
	for text, want := range map[string][]string{
		one + one:                            {one},
		one + "%5F" + one:                    {one},
		one + " " + one:                      {one, one},
		one + "\n" + one:                     {one, one},
		one + other + one:                    {one, other},
		one + " " + strings.Repeat("x", 600): {one},
		one + ";" + escape(other, escapings["URL"], separators): {one, other},
	} {
		if got, _ := scan(t, Scanner{window: 512}, text); !slices.Equal(got, want) {
			t.Errorf("%d are found, want %d", len(got), len(want))
		}
	}
}

func TestBrand(t *testing.T) {
	ours, theirs := newToken("patra"), newToken("xpatra")
	for brand, want := range map[string][]string{"": {ours, theirs}, "patra": {ours}, "xpatra": {theirs}, "other": nil} {
		if got, _ := scan(t, Scanner{Brand: brand}, ours+" "+theirs); !slices.Equal(got, want) {
			t.Errorf("of brand %q %d are found", brand, len(got))
		}
	}
}

// The first error ends a scan, and comes back as it is.
func TestErrors(t *testing.T) {
	broken, token := errors.New("broken"), newToken("patra")
	read := io.MultiReader(strings.NewReader(token+" "), iotest.ErrReader(broken))
	if n, err := (Scanner{}).Scan(read, func(Find) error { return nil }); !errors.Is(err, broken) || n != 58 {
		t.Errorf("%d bytes, %v", n, err)
	}
	calls := 0
	_, err := Scanner{}.Scan(strings.NewReader(strings.Repeat(token+"\n", 9)), func(Find) error { calls++; return broken })
	if !errors.Is(err, broken) || calls != 1 {
		t.Errorf("%d calls, %v", calls, err)
	}
}

// A find shows the prefix, whatever it is printed with.
func TestFindHidesTheToken(t *testing.T) {
	token := newToken("patra")
	finds := In("a " + token)
	if len(finds) != 1 || finds[0].Token() != token || finds[0].Hash() != apikey.HashToken(token) || finds[0].Line != 1 {
		t.Fatalf("%d are found", len(finds))
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, shown := range []any{finds[0], &finds[0], finds} {
			if text := fmt.Sprintf(verb, shown); strings.Contains(text, token[20:]) || !strings.Contains(text, token[:18]) {
				t.Errorf("%s prints %d bytes, with the token in them", verb, len(text))
			}
		}
	}
}

// tokensInOneRun are so many different tokens without anything between them.
type tokensInOneRun struct {
	left int
	rest string // of the token that was begun
}

func (r *tokensInOneRun) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if r.rest == "" {
			if r.left == 0 {
				return n, io.EOF
			}
			r.rest = newToken("patra")
			r.left--
		}
		k := copy(p[n:], r.rest)
		r.rest = r.rest[k:]
		n += k
	}
	return n, nil
}

// A scan takes no more memory than a few windows, whatever the stream holds.
func TestMemory(t *testing.T) {
	for _, block := range []string{"a", "_", "%25", "a b\n", "\\u005f"} {
		text := strings.NewReader(strings.Repeat(block, 4<<20/len(block)))
		allocs := testing.AllocsPerRun(1, func() {
			text.Seek(0, io.SeekStart)
			if _, err := (Scanner{}).Scan(text, func(Find) error { return nil }); err != nil {
				t.Error(err)
			}
		})
		if allocs > 100 {
			t.Errorf("4 MiB of %q: %v allocations", block, allocs)
		}
	}
	inUse := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	const many = 150_000
	before, found := inUse(), 0
	_, err := Scanner{}.Scan(&tokensInOneRun{left: many}, func(Find) error {
		if found++; found%20_000 == 0 {
			if more := inUse() - before; more > 8<<20 {
				t.Errorf("%d bytes are in use after %d tokens", more, found)
			}
		}
		return nil
	})
	if err != nil || found != many {
		t.Errorf("%d are found, %v", found, err)
	}
}

func FuzzScan(f *testing.F) {
	token := newToken("patra")
	f.Add([]byte(token), uint8(0))
	f.Add([]byte(escape(token, escapings["URL"], all)+token), uint8(9))
	f.Add([]byte(escape(token, escapings["HTML, hex"], separators)), uint8(99))
	f.Fuzz(func(t *testing.T, text []byte, at uint8) {
		text = slices.Concat(text[:min(int(at), len(text))], []byte(token), text[min(int(at), len(text)):])
		found := false
		err := second(Scanner{window: 512}.Scan(bytes.NewReader(text), func(f Find) error {
			found = found || f.Token() == token
			return nil
		}))
		wide := bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff"))
		if err != nil || !found && !wide {
			t.Errorf("%q: found %t, %v", text, found, err)
		}
	})
}

func second(_ int64, err error) error { return err }
