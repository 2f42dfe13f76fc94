package command

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/command/term"
	"github.com/socialpatra/keygate/internal/keyfields"
)

// flagsOf are the flags of a subcommand that are its own.
func flagsOf(t *testing.T, name string) (names []string) {
	t.Helper()
	root := &cobra.Command{Use: "keygate"}
	buildCommand(root, &term.Console{})
	cmd, _, err := root.Find([]string{name})
	if err != nil {
		t.Fatal(err)
	}
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return names
}

// Every flag of update is a change by itself. Every setting that the API can
// change has a flag, and one that takes it away where it may be without. What is
// no text is refused before it is sent.
func TestEveryFlagChangesAlone(t *testing.T) {
	var sent atomic.Pointer[[]byte]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sent.Store(&body)
		_ = json.NewEncoder(w).Encode(sampleRecord())
	}))
	defer server.Close()
	covered := map[string]bool{"workspace": true} // which never changes
	emptied := map[string]bool{"scopes": true}    // of which a key needs one
	advice := person{}.run("update", importedKeyID, "--address", server.Listener.Addr().String()).stderr
	for _, flag := range flagsOf(t, "update") {
		if flag == "help" {
			continue
		}
		takesAway := strings.HasPrefix(flag, "no-") || strings.HasPrefix(flag, "never-")
		typed := "--" + flag + "=7"
		switch {
		case takesAway, flag == "allow-unknown-scope":
			typed = "--" + flag
		case flag == "expires-at":
			typed = "--" + flag + "=2030-01-02T03:04:05Z"
		}
		sent.Store(nil)
		o := person{}.run("update", importedKeyID, "--address", server.Listener.Addr().String(), typed)
		if flag == "allow-unknown-scope" { // is no change
			wantRefusal(t, o, "nothing to change")
			covered["allow_unknown_scope"] = true
			continue
		}
		if !strings.Contains(advice, "--"+flag) {
			t.Errorf("%q does not say that there is --%s", advice, flag)
		}
		body := sent.Load()
		if o.failed || body == nil {
			t.Errorf("%s: %s", typed, o.stderr)
			continue
		}
		var members map[string]any
		if err := json.Unmarshal(*body, &members); err != nil || len(members) != 1 {
			t.Errorf("%s sends %s", typed, *body)
		}
		for name := range members {
			covered[name] = covered[name] || !takesAway
			emptied[name] = emptied[name] || takesAway
		}
		for _, noText := range []string{"\xff", "a=\xff"} {
			sent.Store(nil)
			o := person{}.run("update", importedKeyID, "--address", server.Listener.Addr().String(), "--"+flag+"="+noText)
			if !o.failed || sent.Load() != nil {
				t.Errorf("--%s takes what is not UTF-8", flag)
			}
		}
	}
	typ := reflect.TypeFor[adminapi.KeyRequest]()
	for field := range typ.Fields() {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); !covered[name] {
			t.Errorf("no flag of update changes %s", name)
		} else if canBeEmpty(field.Type) && !emptied[name] {
			t.Errorf("no flag of update takes %s away", name)
		}
	}
}

// canBeEmpty reports whether a member is a list, a map or one that may be null.
func canBeEmpty(typ reflect.Type) bool {
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	return typ.Kind() == reflect.Slice || typ.Kind() == reflect.Map
}

// What a key is shows on the terminal, but for what is in no record.
func TestShowShowsEveryField(t *testing.T) {
	c := &cli{Console: &term.Console{Now: func() time.Time { return cliNow }}}
	show := func(k apikey.Key) string {
		record := k.Record(cliNow, time.Time{})
		return string(c.describe(&record))
	}
	plain := keyfields.Plain(sampleID("7Hk2Qp9aX3bC"))
	for _, f := range keyfields.All() {
		k := plain.Clone()
		f.Set(&k)
		hidden := f.Name == "Hash" || f.Name == "Opaque" || f.Name == "Account" || f.Name == "Warned"
		if same := show(k) == show(plain); same != hidden {
			t.Errorf("%s: what is shown is the same: %t; want %t", f.Name, same, hidden)
		}
	}
}
