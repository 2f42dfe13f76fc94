package command

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/socialpatra/keygate/command/term"
)

// sent runs a command against a server that refuses everything, and returns
// what the command sent.
func sent(t *testing.T, args ...string) (request, body string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		read, _ := io.ReadAll(r.Body)
		request, body = r.Method+" "+r.URL.RequestURI(), string(read)
		if got, want := r.Header.Get("Origin"), "http://"+r.Host; got != want {
			t.Errorf("Origin %q, want %q", got, want)
		}
		if got, want := r.Header.Get("Content-Type") == "application/json", body != ""; got != want {
			t.Errorf("Content-Type %q with the body %q", r.Header.Get("Content-Type"), body)
		}
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"error":"seen"}`)
	}))
	defer server.Close()
	wantRefusal(t, person{}.run(append(args, "--address", server.Listener.Addr().String())...), "Error: seen")
	return request, body
}

func TestFlagsAreSentAsGiven(t *testing.T) {
	tests := []struct {
		name string
		args string // separated by |
		want string
	}{
		{"nothing", "", `{}`},
		{"workspace", "--workspace|acme", `{"workspace":"acme"}`},
		{"empty texts", "--workspace=|--name=|--description=", `{"workspace":"","name":"","description":""}`},
		{"text as it is", `--name| a <b> "c" `, `{"name":" a \u003cb\u003e \"c\" "}`},
		{"scopes", "--scope|a:b, c:d|--scope|e:f", `{"scopes":["a:b","c:d","e:f"]}`},
		{"empty scope", "--scope=", `{"scopes":[""]}`},
		{"origins", "--origin|https://a.example|--origin|https://b.example", `{"allowed_origins":["https://a.example","https://b.example"]}`},
		{"addresses", "--ip|203.0.113.7|--ip|2001:db8::/32,10.0.0.0/8", `{"allowed_ips":["203.0.113.7","2001:db8::/32","10.0.0.0/8"]}`},
		{"days", "--expires-in-days|90", `{"expires_in_days":90}`},
		{"no days", "--expires-in-days|0", `{"expires_in_days":0}`},
		{"time", "--expires-at|2027-01-01T00:00:00Z", `{"expires_at":"2027-01-01T00:00:00Z"}`},
		{"null is a text", "--expires-at|null", `{"expires_at":"null"}`},
		{"both expiries", "--expires-at=|--expires-in-days|1", `{"expires_in_days":1,"expires_at":""}`},
		{"one limit", "--per-minute|600", `{"limits":{"per_minute":600}}`},
		{"zero limits", "--per-minute|0|--per-day|0|--burst|0", `{"limits":{"per_minute":0,"per_day":0,"burst":0}}`},
		{"negative limit", "--burst|-5", `{"limits":{"burst":-5}}`},
		{"unknown scopes", "--allow-unknown-scope", `{"allow_unknown_scope":true}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			args := []string{"create"}
			if test.args != "" {
				args = append(args, strings.Split(test.args, "|")...)
			}
			request, body := sent(t, args...)
			if request != "POST /keygate/keys" {
				t.Errorf("sent %s", request)
			}
			if body != test.want {
				t.Errorf("sent %s, want %s", body, test.want)
			}
		})
	}
}

func TestRequests(t *testing.T) {
	tests := []struct {
		args string
		want string
	}{
		{"list", "GET /keygate/keys?limit=1000"},
		{"list --workspace a&b --status active --limit 5", "GET /keygate/keys?limit=5&status=active&workspace=a%26b"},
		{"list --cursor a=b --limit 5", "GET /keygate/keys?cursor=a%3Db&limit=5"},
		{"audit --cursor 7 --limit 5", "GET /keygate/audit?cursor=7&limit=5"},
		{"list --limit 5000", "GET /keygate/keys?limit=1000"},
		{"list --workspace=", "GET /keygate/keys?limit=1000&workspace="},
		{"show patra_7Hk2Qp9aX3bC", "GET /keygate/keys/7Hk2Qp9aX3bC"},
		{"revoke 7Hk2Qp9aX3bC", "POST /keygate/keys/7Hk2Qp9aX3bC/revoke"},
		{"delete 7Hk2Qp9aX3bC --yes", "DELETE /keygate/keys/7Hk2Qp9aX3bC"},
		{"scopes", "GET /keygate/scopes"},
	}
	for _, test := range tests {
		t.Run(test.args, func(t *testing.T) {
			if request, body := sent(t, strings.Fields(test.args)...); request != test.want || body != "" {
				t.Errorf("sent %s with the body %q, want %s", request, body, test.want)
			}
		})
	}
}

// Every flag of list takes one value, given once: of two values one would be ignored.
func TestFiltersAreGivenOnce(t *testing.T) {
	root := &cobra.Command{Use: "keygate"}
	buildCommand(root, &term.Console{})
	list, _, err := root.Find([]string{"list"})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	list.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		n++
		value := map[string]string{"number": "7", "text": "x"}[f.Value.Type()]
		if value == "" {
			value = f.DefValue
		}
		wantRefusal(t, person{}.run("list", "--"+f.Name+"="+value, "--"+f.Name+"="+value), "--"+f.Name+": is given more than once; accepted: once")
	})
	if n < 10 {
		t.Errorf("%d flags", n)
	}
}
