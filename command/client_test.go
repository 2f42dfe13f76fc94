package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/socialpatra/keygate/adminapi"

	_ "github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
)

func TestClientTellsWhatIsWrong(t *testing.T) {
	tests := []struct {
		name   string
		status int
		body   string
		want   string
	}{
		{"refusal", 400, `{"error":"name: is empty"}`, "Error: name: is empty\n"},
		{"no keygate in the config", 503, `{"error":"this Caddy runs a config without keygate"}`, "this Caddy runs a config without keygate"},
		{"no keygate in the binary", 404, "404 page not found\n", "was built without keygate"},
		{"not Caddy", 502, "<html>", "is not Caddy's admin API: it says HTTP 502"},
		{"redirect", 302, "", "is not Caddy's admin API: it says HTTP 302"},
		{"many lines", 400, `{"error":"a\nb\u001b[2J\u202ec"}`, `Error: a\nb\x1b[2J\u202ec` + "\n"},
		{"no JSON", 200, "hello", "reading its answer"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(test.status)
				io.WriteString(w, test.body)
			}))
			defer server.Close()
			wantRefusal(t, person{}.run("list", "--address", server.Listener.Addr().String()), test.want)
		})
	}
}

func TestClientFindsNoCaddy(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	for _, address := range []string{address, "unix/" + filepath.Join(t.TempDir(), "none.sock")} {
		o := person{}.run("list", "--address", address)
		wantRefusal(t, o, "no Caddy answers at "+address+": ")
		for _, way := range []string{"--address", "--config", "--db FILE"} {
			if !strings.Contains(o.stderr, way) {
				t.Errorf("%q names no %s", o.stderr, way)
			}
		}
	}
}

// After a connection broke, nobody knows whether the change was made.
func TestClientSaysWhenTheOutcomeIsUnknown(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		panic(http.ErrAbortHandler)
	}))
	defer server.Close()
	at := server.Listener.Addr().String()
	wantRefusal(t, person{}.run("revoke", "7Hk2Qp9aX3bC", "--address", at), "the change may have been made")
	if o := (person{}).run("show", "7Hk2Qp9aX3bC", "--address", at); strings.Contains(o.stderr, "change") {
		t.Errorf("show says %q", o.stderr)
	}
}

func TestAdminAddress(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Setenv("KEYGATE_TEST_ADMIN", "localhost:2020")
	jsonFile := write("caddy.json", `{"admin":{"listen":"unix//run/admin.sock|0600"}}`)
	variable := write("variable.json", `{"admin":{"listen":"{env.KEYGATE_TEST_ADMIN}"}}`)
	silent := write("silent.json", `{}`)
	caddyfile := write("site", "{\n\tadmin localhost:2021\n}\n")
	broken := write("Broken.caddyfile", "{\n\tfrobnicate\n}\n")
	tests := []struct {
		name   string
		target target
		want   string // "": refused
	}{
		{"default", target{}, caddy.DefaultAdminListen},
		{"address", target{address: "localhost:1"}, "localhost:1"},
		{"address before config", target{address: "localhost:1", config: jsonFile}, "localhost:1"},
		{"JSON", target{config: jsonFile}, "unix//run/admin.sock|0600"},
		{"variable", target{config: variable}, "localhost:2020"},
		{"config without admin", target{config: silent}, caddy.DefaultAdminListen},
		{"adapter", target{config: caddyfile, adapter: "caddyfile"}, "localhost:2021"},
		{"unknown adapter", target{config: caddyfile, adapter: "frobnicate"}, ""},
		{"not JSON", target{config: caddyfile}, ""},
		{"broken", target{config: broken}, ""},
	}
	t.Chdir(dir)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.target.adminAddress()
			if got != test.want || (err == nil) != (test.want != "") {
				t.Errorf("got %q, %v; want %q", got, err, test.want)
			}
			if err != nil && !strings.Contains(err.Error(), "--address") {
				t.Errorf("%v does not say what to do", err)
			}
		})
	}
	t.Run("adjacent Caddyfile", func(t *testing.T) {
		write("Caddyfile", "{\n\tadmin localhost:2022\n}\n")
		if got, err := (target{}).adminAddress(); got != "localhost:2022" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

// pagedServer has n keys, answers with at most 1,000 at a time, and counts.
func pagedServer(t *testing.T, n int) (address string, asked *[]string) {
	t.Helper()
	asked = new([]string)
	key, err := json.Marshal(sampleRecord())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r.URL.RawQuery)
		first, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
		limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
		keys := bytes.Repeat(append(key, ','), min(n-first, limit))
		next := ""
		if first+limit < n {
			next = strconv.Itoa(first + limit)
		}
		fmt.Fprintf(w, `{"keys":[%s],"next_cursor":%q}`, bytes.TrimSuffix(keys, []byte{','}), next)
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String(), asked
}

func TestListPages(t *testing.T) {
	tests := []struct {
		keys   int
		limit  string
		rows   int
		asked  string
		cursor string
	}{
		{keys: 0, rows: 0, asked: "limit=1000 "}, // the last asks for no keys: it is health
		{keys: 2001, rows: 2001, asked: "limit=1000 cursor=1000&limit=1000 cursor=2000&limit=1000"},
		{keys: 2500, limit: "7", rows: 7, asked: "limit=7", cursor: "7"},
		{keys: 1000, limit: "1000", rows: 1000, asked: "limit=1000"},
		{keys: 2500, limit: "1001", rows: 1001, asked: "limit=1000 cursor=1000&limit=1", cursor: "1001"},
		{keys: 9, limit: "9999", rows: 9, asked: "limit=1000"},
	}
	for _, test := range tests {
		t.Run(strconv.Itoa(test.keys)+" "+test.limit, func(t *testing.T) {
			address, asked := pagedServer(t, test.keys)
			args := []string{"list", "--address", address}
			if test.limit != "" {
				args = append(args, "--limit", test.limit)
			}
			o := person{}.run(args...)
			if rows := strings.Count(o.stdout, "patra_"); rows != test.rows || o.failed {
				t.Errorf("%d rows, want %d; %s", rows, test.rows, o.stderr)
			}
			if titles := strings.Count(o.stdout, "WORKSPACE"); titles != min(1, test.rows) {
				t.Errorf("titles %d times", titles)
			}
			if got := strings.Join(*asked, " "); got != test.asked {
				t.Errorf("asked %s, want %s", got, test.asked)
			}
			wantNote := ""
			if test.rows == 0 {
				wantNote = "no keys\n"
			} else if test.cursor != "" {
				wantNote = "more keys follow; raise --limit to see them\n"
			}
			if o.stderr != wantNote {
				t.Errorf("stderr %q, want %q", o.stderr, wantNote)
			}

			var list adminapi.ListResponse
			if err := json.Unmarshal([]byte(person{}.mustRun(t, append(args, "--json")...)), &list); err != nil {
				t.Fatal(err)
			}
			if len(list.Keys) != test.rows || list.NextCursor != test.cursor || list.Keys == nil {
				t.Errorf("JSON has %d keys and the cursor %q", len(list.Keys), list.NextCursor)
			}
		})
	}
}

// What is cut short must not pass for a backup, or leave anything behind.
func TestCommandDownloadCutShort(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "{\"id\":\"x\"}\n")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer server.Close()
	dir := t.TempDir()
	for _, command := range []string{"backup", "export"} {
		wantRefusal(t, person{}.run(command, filepath.Join(dir, command), "--address", server.Listener.Addr().String()), "reading its answer")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
