package console

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestAway(t *testing.T) {
	now := start
	for d, want := range map[time.Duration]string{
		0: "just now", -59 * time.Second: "just now", -time.Minute: "1 minute ago", -3*time.Minute - 59*time.Second: "3 minutes ago", -119 * time.Minute: "119 minutes ago",
		-2 * time.Hour: "2 hours ago", -47 * time.Hour: "47 hours ago", -48 * time.Hour: "2 days ago", -9 * day: "9 days ago", -119 * day: "119 days ago", -120 * day: "4 months ago", -800 * day: "2 years ago",
		time.Second: "in less than a minute", 30 * time.Second: "in 1 minute", time.Minute: "in 1 minute", 24*time.Hour - time.Second: "in 24 hours", 9 * day: "in 9 days",
		90*day - time.Minute: "in 90 days", 48*time.Hour - time.Second: "in 2 days", 36 * time.Hour: "in 36 hours", 365 * day: "in 12 months", 3650 * day: "in 10 years",
	} {
		if got := away(now.Add(d), now); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

func TestNumber(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1_000_000: "1,000,000", 123_456_789: "123,456,789"} {
		if got := number(n); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
}

func TestSentence(t *testing.T) {
	for want, c := range map[string][2]string{
		"This is empty. What works: a word.":  {"is empty", "a word"},
		`"x" is not one. What works: y.`:      {`"x" is not one`, "y"},
		`"x" has host bits (did you mean y?)`: {`"x" has host bits (did you mean y?)`, ""},
		"This never changes.":                 {"never changes", ""},
	} {
		if got := sentence(c[0], c[1]); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestRoundUp(t *testing.T) {
	for n := range uint64(5000) {
		top := roundUp(n)
		if top < n || top < 2 || top%2 != 0 || n > 2 && top > 2*n+1 {
			t.Errorf("%d is drawn up to %d", n, top)
		}
	}
	if top := roundUp(1 << 62); top < 1<<62 {
		t.Errorf("%d", top)
	}
}

// Bars have the height of their numbers, and what there is can be seen.
func TestPlotDrawsWhatThereIs(t *testing.T) {
	days := make([]dayOfUse, 30)
	for i := range days {
		days[i].Date = start.AddDate(0, 0, i-29)
	}
	if p, s := plotOf(days), sparkOf(days); !p.Empty || !s.Empty || p.Allowed != `d=""` || s.Words != "No use in 30 days" {
		t.Errorf("%+v, %+v", p, s)
	}
	days[3].Allowed, days[29].Limited, days[29].Denied = 1_000_000, 1, 1
	p, s := plotOf(days), sparkOf(days)
	if p.Allowed != `d="M73 0h19v160h-19z"` || p.Limited != `d="M697 159h19v1h-19z"` || p.Denied != `d="M697 158h19v1h-19z"` || p.Scale[0] != "1,000,000" {
		t.Errorf("%+v", p)
	}
	if s.Allowed != `d="M12 0h3v24h-3z"` || s.Refused != `d="M116 23h3v1h-3z"` || s.Words != "1,000,002 requests in 30 days, 2 of them refused" {
		t.Errorf("%+v", s)
	}
}

// Pages blame nobody.
func TestWordsForPeople(t *testing.T) {
	unkind := regexp.MustCompile(`(?i)\b(invalid|illegal|forbidden|unauthori[sz]ed|authori[sz]e|bad request|oops|please)\b`)
	inTags := regexp.MustCompile(`(?s)<[^>]*>|{{.*?}}`)
	err := fs.WalkDir(os.DirFS("templates"), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile("templates/" + path)
		if found := unkind.FindString(inTags.ReplaceAllString(string(text), " ")); found != "" {
			t.Errorf("%s says %q", path, found)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, words := range notices {
		if unkind.MatchString(words) || !strings.HasSuffix(words, ".") {
			t.Errorf("%s: %q", name, words)
		}
	}
}
