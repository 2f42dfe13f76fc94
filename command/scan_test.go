package command

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/apikey"
)

// createdToken creates a key and returns its token and prefix.
func createdToken(t *testing.T, at ...string) (token, prefix string) {
	t.Helper()
	o := person{}.run(append([]string{"create", "--workspace", "acme", "--name", "Zapier <x>", "--scope", "posts:read", "-q"}, at...)...)
	token = strings.TrimSpace(o.stdout)
	if o.failed || len(token) != 57 {
		t.Fatal(o.stderr)
	}
	return token, token[:18]
}

// writeFiles writes files below a new folder, in which the test goes on.
func writeFiles(t *testing.T, files map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// wantNoToken fails if any part of a secret is in an outcome.
func wantNoToken(t *testing.T, o outcome, tokens ...string) {
	t.Helper()
	for _, token := range tokens {
		secret := token[len(token)-38:]
		if strings.Contains(o.stdout+o.stderr, secret[:16]) || strings.Contains(o.stdout+o.stderr, secret[22:]) {
			t.Errorf("a token is shown: %+v", o)
		}
	}
}

// By every door scan says where tokens are, whether each is live, whose it is and
// when it was last used; and fails for those of active keys.
func TestScanSaysWhoseTokensAre(t *testing.T) {
	for _, door := range doors(t) {
		t.Run(door.name, func(t *testing.T) {
			active, activePrefix := createdToken(t, door.args...)
			dead, deadPrefix := createdToken(t, door.args...)
			person{}.mustRun(t, append([]string{"revoke", deadPrefix}, door.args...)...)
			forged, _ := apikey.GenerateFor("patra", sampleID(activePrefix[6:]))
			writeFiles(t, map[string]string{
				"a/app.log": "\n\nkey=" + active + "\n" + dead + "\n",
				"a/b/c.sql": "INSERT '" + forged + "'",
			})
			scan := func(args ...string) outcome {
				return person{}.run(append(append([]string{"scan"}, args...), door.args...)...)
			}
			o := scan("a")
			wantNoToken(t, o, active, dead, forged)
			want := "a/app.log:3: " + activePrefix + ` active, acme, "Zapier <x>", last used never` + "\n" +
				"a/app.log:4: " + deadPrefix + ` revoked, acme, "Zapier <x>", last used never` + "\n" +
				"a/b/c.sql:1: " + activePrefix + " unknown\n"
			if !o.failed || o.stdout != want || !strings.HasSuffix(o.stderr, "Error: 1 token of an active key was found; see caddy keygate leaked --help\n") ||
				!strings.HasPrefix(o.stderr, "read 2 files, 0.0 MB: 3 tokens\n") {
				t.Errorf("%+v\nwant %s", o, want)
			}
			person{}.mustRun(t, append([]string{"disable", activePrefix}, door.args...)...)
			if o := scan("a"); o.failed || !strings.Contains(o.stdout, activePrefix+" disabled, acme") {
				t.Errorf("without an active key: %+v", o)
			}
			if history := (person{}).mustRun(t, append([]string{"audit", "--json", "--key", activePrefix}, door.args...)...); strings.Contains(history, "leaked") || strings.Count(history, `"seq"`) != 2 {
				t.Errorf("a scan changed something: %s", history)
			}
		})
	}
}

// Without a store every genuine token counts; where one was named that does not
// answer, the scan fails instead.
func TestScanWithoutAStore(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := listener.Addr().String()
	listener.Close()
	token, _, _ := apikey.Generate("patra")
	other, _, _ := apikey.Generate("other")
	writeFiles(t, map[string]string{
		"Caddyfile": "{\n\tadmin " + nobody + "\n}\n",
		"x":         token + "\n" + other,
		"clean":     token[:56] + "_ " + someToken[:56],
	})
	o := person{}.run("scan", "x")
	if want := "x:1: " + token[:18] + "\nx:2: " + other[:18] + "\n"; !o.failed || o.stdout != want ||
		!strings.Contains(o.stderr, "no store says what the tokens are: no Caddy answers at "+nobody) || !strings.HasSuffix(o.stderr, "\nError: 2 tokens were found\n") {
		t.Errorf("%+v", o)
	}
	if o := (person{types: "x " + token}).run("scan", "-", "--brand", "other"); o.failed || o.stdout != "" || o.stderr != "read 1 file, 0.0 MB: 0 tokens\n" {
		t.Errorf("of another brand: %+v", o)
	}
	if o := (person{}).run("scan", "clean", "Caddyfile"); o.failed || o.stdout != "" || o.stderr != "read 2 files, 0.0 MB: 0 tokens\n" {
		t.Errorf("without tokens: %+v", o)
	}
	wantRefusal(t, person{}.run("scan", "x", "--address", nobody), "no Caddy answers at "+nobody)
	wantRefusal(t, person{}.run("scan", "x", "--db", "none.db"), "there is no key store at none.db")
	wantRefusal(t, person{}.run("scan"), "scan takes files and folders, or - for stdin")
	wantRefusal(t, person{}.run("scan", "-", "-"), "twice")
	wantRefusal(t, person{}.run("scan", "x", ""), "the name of one is empty")
	wantRefusal(t, person{}.run("scan", "x", "--brand", "A"), "--brand: is not a brand")
}

// A token in the name of a file or folder is found and not shown; nor is it where
// the file cannot be read.
func TestScanOfNames(t *testing.T) {
	token, id, _ := apikey.Generate("patra")
	escaped := strings.ReplaceAll(token, "_", "%5F")
	store := openStore(t)
	at := serveStore(t, store)
	writeFiles(t, map[string]string{"in/" + token + "/plain.txt": "x", "in/" + escaped + ".txt": "and " + token, "in/z": ""})
	if err := os.Symlink("nowhere", "in/"+token+".link"); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"scan", "in"}, {"scan", "in/" + escaped + ".txt"}, {"scan", "in/" + escaped + "/none"}, {"scan", "in", "--json"}} {
		o := person{}.run(append(args, "--address", at)...)
		wantNoToken(t, o, token)
		if !strings.Contains(o.stdout+o.stderr, "in/(a name with a token)") {
			t.Errorf("%q: %+v", args[1:], o)
		}
	}
	o := person{}.run("scan", "in", "--address", at)
	hidden, prefix := "in/(a name with a token)", apikey.Prefix("patra", id)
	want := hidden + " (its name): " + prefix + " unknown\n" + hidden + ":1: " + prefix + " unknown\n"
	if lines := strings.SplitAfter(o.stdout, "\n"); o.failed || len(lines) != 5 || !strings.Contains(o.stdout, want) ||
		!strings.Contains(o.stderr, "read 3 files, 0.0 MB, without 1 link or other special file: 4 tokens\n") {
		t.Errorf("%+v\nwant among it %s", o, want)
	}
}

// What cannot be read is told, all else is scanned, and the exit status is 1.
func TestScanTellsWhatItCannotRead(t *testing.T) {
	token, _, _ := apikey.Generate("patra")
	writeFiles(t, map[string]string{"x": token})
	at := serveStore(t, openStore(t))
	for unreadable, why := range map[string]string{"none": "no such file", "x/y": "not a directory", "/proc/self/mem": "input/output error"} {
		o := person{}.run("scan", unreadable, "x", "--address", at)
		if !o.failed || !strings.HasPrefix(o.stderr, unreadable+": "+why) || !strings.HasSuffix(o.stderr, "\nError: 1 file or folder could not be read\n") || o.stdout != "x:1: "+token[:18]+" unknown\n" {
			t.Errorf("%s: %+v", unreadable, o)
		}
	}
}

// The JSON is one object, whatever was found, and has the places in order.
func TestScanJSON(t *testing.T) {
	at := serveStore(t, openStore(t))
	token, prefix := createdToken(t, "--address", at)
	var text strings.Builder
	for range 3*tokensAtOnce + 1 {
		stranger, _, _ := apikey.Generate("patra")
		text.WriteString(stranger + "\n")
	}
	writeFiles(t, map[string]string{"many": text.String() + token, "none": "x"})
	for file, want := range map[string]int{"many": 3*tokensAtOnce + 2, "none": 0} {
		o := person{}.run("scan", file, "missing", "--json", "--address", at)
		var got struct {
			Found []foundToken
			scanned
			Left json.RawMessage `json:"left_out"`
		}
		if err := json.Unmarshal([]byte(o.stdout), &got); err != nil || !o.failed || got.Found == nil || len(got.Found) != want || got.Files != 1 || got.Unreadable != 1 {
			t.Fatalf("%s: %v, %d found, %+.300v", file, err, len(got.Found), o)
		}
		for i, f := range got.Found {
			known := i == want-1
			if f.Line != int64(i+1) || f.File != "many" || known != (f.Key != nil) || f.Status != map[bool]string{true: "active", false: "unknown"}[known] || known && f.Prefix != prefix {
				t.Errorf("%d: %+v", i, f)
			}
		}
	}
}

// By every door leaked does what it is told to the keys of genuine tokens, in any
// text, says what was done, and the history says why.
func TestLeakedCommand(t *testing.T) {
	for _, door := range doors(t) {
		t.Run(door.name, func(t *testing.T) {
			for then, done := range map[string]string{"report": "reported", "disable": "disabled", "revoke": "revoked"} {
				token, prefix := createdToken(t, door.args...)
				forged, _ := apikey.GenerateFor("patra", sampleID(prefix[6:]))
				text := fmt.Sprintf("%s\n{\"key\":\"%s\"}\n%s", forged, strings.ReplaceAll(token, "_", `\u005f`), token)
				run := func(text string, args ...string) outcome {
					return person{types: text}.run(append(append([]string{"leaked", "-"}, args...), door.args...)...)
				}
				wantRefusal(t, run(text), "--then: is missing; accepted: report, disable or revoke")
				wantRefusal(t, run(text, "--then", "look"), `--then: "look" is not accepted; accepted: report, disable or revoke`+"\n")
				wantRefusal(t, run(text, "--then", "delete"), `--then: "delete" is not accepted; accepted: report, disable or revoke`+"\n")
				wantRefusal(t, run("nothing "+token[:50], "--then", then), "there is no whole token in the text, so nothing was done")
				o := run(forged, "--then", then)
				if !o.failed || o.stdout != prefix+" unknown\n" || !strings.Contains(o.stderr, "the text has 1 token, and no key has any of them; nothing was done") {
					t.Errorf("%+v", o)
				}
				o = run(text, "--then", then)
				wantNoToken(t, o, token, forged)
				if want := prefix + " unknown\n" + prefix + " " + done + `, was active, acme, "Zapier <x>", last used never` + "\n"; o.failed || o.stderr != "" || o.stdout != want {
					t.Errorf("%+v\nwant %s", o, want)
				}
				history := person{}.mustRun(t, append([]string{"audit", "--key", prefix}, door.args...)...)
				if !strings.Contains(history, "  "+then+" (leaked)  ") || strings.Count(history, "leaked") != 1 {
					t.Errorf("the history: %s", history)
				}
				o = run(text, "--then", then, "--json")
				wantNoToken(t, o, token, forged)
				if o.failed || !strings.Contains(o.stdout, `{"found":[{"prefix":"`+prefix+`","done":"nothing"},{"prefix":"`+prefix+`","done":"reported","was":"`) || !strings.HasSuffix(o.stdout, `"unknown":1}`+"\n") {
					t.Errorf("%+v", o)
				}
			}
		})
	}
}
