package main

import (
	"bufio"
	"bytes"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What goes to Traefik is the same request, with the key as user and password.
func TestAsBasic(t *testing.T) {
	c := some[1]
	plain := render(http.MethodPost, "/v1/posts/1", c.token, []string{"https://a.example"})
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(asBasic(plain))))
	if err != nil {
		t.Fatal(err)
	}
	if user, password, ok := r.BasicAuth(); !ok || user != c.id || password != c.token {
		t.Errorf("%q and %q, %t", user, password, ok)
	}
	before, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(plain)))
	if err != nil {
		t.Fatal(err)
	}
	for name := range before.Header {
		if name != "Authorization" && r.Header.Get(name) != before.Header.Get(name) {
			t.Errorf("%s is %q", name, r.Header.Get(name))
		}
	}
	if len(r.Header) != len(before.Header) || r.RequestURI != before.RequestURI || r.Method != before.Method {
		t.Errorf("%s %s with %v", r.Method, r.RequestURI, r.Header)
	}
	keyless := render(http.MethodGet, "/v1/posts/1", "", nil)
	if got := asBasic(keyless); !bytes.Equal(got, keyless) {
		t.Errorf("without a key: %q", got)
	}
}

func TestRewritten(t *testing.T) {
	one := func(text string) [][]byte { return [][]byte{[]byte(text)} }
	r := &requests{
		keys: 7, good: one("a"), badChecksum: one("b"), unknown: one("c"), wrongScope: one("d"), overLimit: one("e"),
		noKey: []byte("f"),
	}
	changed := r.rewritten(bytes.ToUpper)
	got := string(bytes.Join([][]byte{changed.good[0], changed.badChecksum[0], changed.unknown[0], changed.wrongScope[0], changed.overLimit[0], changed.noKey}, nil))
	if got != "ABCDEF" || changed.keys != 7 {
		t.Errorf("%q of %d", got, changed.keys)
	}
	if string(r.good[0])+string(r.noKey) != "af" {
		t.Error("what is given is changed")
	}
}

// An openssl of any machine says the same of the vectors' token.
func TestHashes(t *testing.T) {
	if got, want := some[1].hashed(), "ffab2d96cfd3d547afe679a2c77b1fc1d6cdb69fa195825ef2059b479ee39637 7Hk2Qp9aX3bC 1 posts:read"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	// The example of htpasswd's manual is of the password "password".
	c := credential{token: "password", id: "user"}
	if got, want := c.htpasswd(), "user:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestAnswers(t *testing.T) {
	for _, test := range []struct {
		a    answers
		text string
		want [3]int // of what should be 401, 403 and 429
	}{
		{passesAll, "200", [3]int{200, 200, 200}},
		{keygateAnswers, "200, 401, 403, 429", [3]int{401, 403, 429}},
		{answers{[]int{unauthorized, tooMany}, 1}, "200, 401, 429", [3]int{401, 200, 429}},
	} {
		t.Run(test.text, func(t *testing.T) {
			got := [3]int{test.a.want(unauthorized), test.a.want(forbidden), test.a.want(tooMany)}
			if got != test.want || test.a.String() != test.text {
				t.Errorf("%v, %q", got, test.a)
			}
		})
	}
}

// Only what is not there is skipped.
func TestFind(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	const name = "keygate-load-peer"
	lacks := missing("")
	if path, err := find(name); !errors.As(err, &lacks) || string(lacks) != name {
		t.Errorf("%q, %v", path, err)
	}
	program := filepath.Join(dir, name)
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if path, err := find(name); err != nil || path != program {
		t.Errorf("%q, %v", path, err)
	}
}

func TestPrintTable(t *testing.T) {
	stock := &row{name: "stock", samples: []sample{{cpu: 100, perSecond: 10, p50: 1, p99: 2, resident: 5e6}}}
	other := &row{name: "other", base: stock, samples: []sample{{cpu: 50, perSecond: 20, p50: 1, p99: 1, resident: 7e6, beside: 0.4}}}
	for _, withAnswers := range []bool{false, true} {
		if withAnswers {
			stock.answers, other.answers = "200", "200, 401"
		}
		var b strings.Builder
		if err := printTable(&b, []*row{stock, other}); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(b.String()), "\n")[2:]
		if len(lines) != 4 {
			t.Fatalf("%d lines: %q", len(lines), lines)
		}
		for _, line := range lines {
			if strings.Count(line, "|") != strings.Count(lines[0], "|") {
				t.Errorf("the columns of %q and %q differ", line, lines[0])
			}
		}
		if got := strings.Contains(lines[3], "| other | 200, 401 | 0.400 (0.400–0.400) | 0.500 ("); got != withAnswers {
			t.Errorf("with answers %t: %s", withAnswers, lines[3])
		}
	}
}
