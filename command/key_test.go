package command

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// door is a way to the same store: offline, by TCP, by a unix socket.
type door struct {
	name string
	args []string
}

// doors opens a store three ways. Only one of them may be in use at a time.
func doors(t *testing.T) []door {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "data", "keys.db")

	served, err := keystore.OpenBolt(filepath.Join(dir, "served", "keys.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { served.Close() })
	handler := adminHandler(served)
	tcp := httptest.NewServer(handler)
	t.Cleanup(tcp.Close)

	// Socket paths are at most some 100 bytes, less than t.TempDir may return.
	short, err := os.MkdirTemp("", "keygate") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(short) })
	socket := filepath.Join(short, "admin.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	unix := httptest.NewUnstartedServer(handler)
	unix.Listener.Close()
	unix.Listener = listener
	unix.Start()
	t.Cleanup(unix.Close)

	return []door{
		{"offline", []string{"--db", file}},
		{"tcp", []string{"--address", strings.TrimPrefix(tcp.URL, "http://")}},
		{"unix", []string{"--address", "unix/" + socket + "|0600"}},
	}
}

// adminHandler serves the admin API on a store.
func adminHandler(store keystore.Store) http.Handler {
	return adminapi.New(adminapi.Options{Store: store, Brand: "patra", Now: func() time.Time { return cliNow }, Via: "offline"})
}

var tokenForm = regexp.MustCompile(`\bpatra_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}\b`)

// The life of a key is the same by every door.
func TestCommandLifeOfAKey(t *testing.T) {
	for _, door := range doors(t) {
		t.Run(door.name, func(t *testing.T) {
			run := func(args ...string) outcome { return person{}.run(append(args, door.args...)...) }

			created := run("create", "--workspace", "acme", "--name", "Zapier", "--scope", "posts:write,media:upload", "--scope", "posts:read")
			if created.failed {
				t.Fatal(created.stderr)
			}
			if made := strings.Contains(created.stderr, "made a new key store"); made != (door.name == "offline") {
				t.Errorf("stderr %q", created.stderr)
			}
			tokens := tokenForm.FindAllString(created.stdout, -1)
			if len(tokens) != 1 || !strings.Contains(created.stdout, "\n"+tokens[0]+"\n") {
				t.Fatalf("the token is not once, alone on its line: %q", created.stdout)
			}
			claimed, ok := apikey.Parse("patra", tokens[0])
			if !ok {
				t.Fatalf("%q is no token", tokens[0])
			}
			id := claimed.String()

			if o := run("list"); !strings.Contains(o.stdout, "patra_"+id) || strings.Count(o.stdout, "\n") != 2 || o.failed || o.stderr != "" {
				t.Errorf("list: %+v", o)
			}
			for _, ref := range []string{id, "patra_" + id} {
				if o := run("show", ref); !strings.Contains(o.stdout, "media:upload, posts:read, posts:write") || o.failed || o.stderr != "" {
					t.Errorf("show %s: %+v", ref, o)
				}
			}
			var record apikey.Record
			if err := json.Unmarshal([]byte(run("show", id, "--json").stdout), &record); err != nil || record.ID != claimed || record.Status != apikey.Active {
				t.Errorf("show --json: %+v, %v", record, err)
			}
			if o := run("revoke", id); o.stdout != "Revoked patra_"+id+" (Zapier, workspace acme).\n" || o.failed || o.stderr != "" {
				t.Errorf("revoke: %+v", o)
			}
			if err := json.Unmarshal([]byte(run("revoke", id, "--json").stdout), &record); err != nil || record.Status != apikey.Revoked {
				t.Errorf("revoke again, --json: %+v, %v", record, err)
			}
			if o := run("list", "--status", "active"); o.stdout != "" || o.failed || o.stderr != "no keys\n" {
				t.Errorf("list --status active: %+v", o)
			}
			if o := run("delete", id, "--yes"); o.stdout != "Deleted "+id+".\n" || o.failed || o.stderr != "" {
				t.Errorf("delete: %+v", o)
			}
			for _, command := range []string{"show", "revoke"} {
				wantRefusal(t, run(command, id), id+": no such key")
			}
			wantRefusal(t, run("delete", id, "--yes"), "no such key")
			wantRefusal(t, run("create", "--workspace", "acme", "--name", "x", "--scope", "posts:wrte"), "did you mean posts:write?")
			var scopes adminapi.ScopesResponse
			if err := json.Unmarshal([]byte(run("scopes", "--json").stdout), &scopes); err != nil || len(scopes.Scopes) != len(apikey.Catalogue()) {
				t.Errorf("scopes --json: %+v, %v", scopes, err)
			}
			if o := run("scopes"); !strings.HasPrefix(o.stdout, "SCOPE") || o.failed || o.stderr != "" {
				t.Errorf("scopes: %+v", o)
			}
			if o := run("list"); !strings.HasPrefix(o.stderr, "no keys\nprocess ") || !strings.HasSuffix(o.stderr, "keys.db (bbolt, 0 keys)\n") {
				t.Errorf("list at the end: %+v", o)
			}
		})
	}
}

func TestCommandDeleteAsks(t *testing.T) {
	tests := []struct {
		answer  string
		deleted bool
	}{
		{"y\n", true},
		{"YES\n", true},
		{"yes", true},
		{"n\n", false},
		{"\n", false},
		{"", false},
		{"yesterday\n", false},
	}
	db := "--db=" + filepath.Join(t.TempDir(), "keys.db")
	for _, test := range tests {
		token := strings.TrimSpace(person{}.run("create", "--workspace", "acme", "--name", "x", "--scope", "posts:read", "-q", db).stdout)
		id, ok := apikey.Parse("patra", token)
		if !ok {
			t.Fatal("no token")
		}
		o := person{types: test.answer, answers: true}.run("delete", id.String(), db)
		question := "Delete patra_" + id.String() + " (x, workspace acme) for good? [y/N] "
		if !strings.HasPrefix(o.stderr, question) || o.failed == test.deleted {
			t.Errorf("answer %q: %+v", test.answer, o)
		}
		if gone := (person{}).run("show", id.String(), db).failed; gone != test.deleted {
			t.Errorf("answer %q: the key is gone: %v", test.answer, gone)
		}
	}
}

func TestCommandStoreInUse(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys.db")
	store, err := keystore.OpenBolt(file)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	wantRefusal(t, person{}.run("list", "--db", file), "keys.db")
}
