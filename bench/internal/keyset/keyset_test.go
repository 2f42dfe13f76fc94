package keyset

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/apikey"
)

func TestKeys(t *testing.T) {
	set := Set{N: 2000, Seed: 7}
	ids, workspaces := make(map[apikey.ID]bool), make(map[string]int)
	statuses := make(map[apikey.Status]int)
	origins, ips := 0, 0
	for i := range set.N {
		k, err := set.Key(i)
		if err != nil {
			t.Fatal(err)
		}
		token := set.Token(i)
		if id, ok := apikey.Parse(apikey.DefaultBrand, token); !ok || id != k.ID || !apikey.HashToken(token).Equal(k.Hash) {
			t.Fatalf("key %d: %s is not its token", i, token)
		}
		if err := apikey.CheckKnown(k.Scopes, nil); err != nil {
			t.Error(err)
		}
		if _, err := k.Grant(); err != nil {
			t.Error(err)
		}
		ids[k.ID] = true
		workspaces[k.Workspace]++
		statuses[k.Status(epoch)]++
		origins += len(k.AllowedOrigins)
		ips += len(k.AllowedIPs)
	}
	if len(ids) != set.N || len(workspaces) != set.Workspaces() || workspaces[set.Workspace(0)] < 50 {
		t.Errorf("%d IDs, %d workspaces, %d keys in the first", len(ids), len(workspaces), workspaces[set.Workspace(0)])
	}
	if len(statuses) != 4 || origins == 0 || ips == 0 {
		t.Errorf("%v, %d origins, %d addresses", statuses, origins, ips)
	}
}

func TestWrite(t *testing.T) {
	write := func(set Set) (keys, tokens string) {
		var k, s bytes.Buffer
		if err := set.Write(&k, &s); err != nil {
			t.Fatal(err)
		}
		return k.String(), s.String()
	}
	set := Set{N: 30, Seed: 1}
	keys, tokens := write(set)
	if k, s := write(set); k != keys || s != tokens {
		t.Error("the same seed makes other keys")
	}
	if _, s := write(Set{N: 30, Seed: 2}); s == tokens {
		t.Error("another seed makes the same tokens")
	}
	lines, list := slices.Collect(strings.Lines(keys)), strings.Fields(tokens)
	if len(lines) != set.N || len(list) != set.N {
		t.Fatalf("%d lines and %d tokens", len(lines), len(list))
	}
	for i, text := range lines {
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil || l.ID.IsZero() || !strings.Contains(list[i], l.ID.String()) || len(l.Hash) != 71 {
			t.Errorf("line %d: %s (%v)", i+1, text, err)
		}
		if strings.Contains(keys, list[i]) {
			t.Error("a token is among the keys")
		}
	}
}
