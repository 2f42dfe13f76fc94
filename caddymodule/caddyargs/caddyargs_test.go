package caddyargs

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// read gives one reader an option with its arguments.
func read(input string, reader func(*caddyfile.Dispenser) error) error {
	d := caddyfile.NewTestDispenser(input)
	d.Next()
	return reader(d)
}

func TestReaders(t *testing.T) {
	var text string
	var duration caddy.Duration
	one := func(d *caddyfile.Dispenser) error { return One(d, &text, "name <word>") }
	long := func(d *caddyfile.Dispenser) error { return Duration(d, "wait", &duration, "1s or more") }
	word := func(d *caddyfile.Dispenser) error { return Choice{"mode", []string{"on", "off"}}.Read(d, &text) }
	even := func(d *caddyfile.Dispenser) error {
		return Checked(d, &text, func(s string) error {
			if len(s)%2 != 0 {
				return errors.New("is odd")
			}
			return nil
		}, "word <word>")
	}
	tests := []struct {
		input  string
		reader func(*caddyfile.Dispenser) error
		want   string // of the error; "": none
	}{
		{"name a", one, ""},
		{"name", one, "wrong argument count after 'name'; accepted: name <word>"},
		{"name a b", one, "wrong argument count after 'a'; accepted: name <word>"},
		{"name a {\n b\n}", one, "unexpected block, with 'b' in it; accepted: name <word>, without one"},
		{"wait 90s", long, ""},
		{"wait soon", long, "wait soon is not a duration; accepted: 1s or more"},
		{"wait", long, "wrong argument count after 'wait'; accepted: wait <duration>, 1s or more"},
		{"mode off", word, ""},
		{"mode of", word, "mode of is not accepted; accepted: on or off"},
		{"mode", word, "wrong argument count after 'mode'; accepted: mode on or off"},
		{"word ab", even, ""},
		{"word abc", even, "is odd"},
		{"word", even, "wrong argument count after 'word'; accepted: word <word>"},
	}
	for _, test := range tests {
		t.Run(test.input, func(t *testing.T) {
			err := read(test.input, test.reader)
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
	if time.Duration(duration) != 90*time.Second || text != "ab" && text != "abc" {
		t.Errorf("read %v and %q", duration, text)
	}
	if err := read("name", func(d *caddyfile.Dispenser) error { return Repeated(d, "name") }); !strings.Contains(err.Error(), "name is already specified") {
		t.Errorf("%v", err)
	}
}
