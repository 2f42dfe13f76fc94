package caddymodule

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// adapt runs Caddy's own Caddyfile adapter.
func adapt(t *testing.T, caddyfile string) (string, error) {
	t.Helper()
	out, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return "", err
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, out, "", "\t"); err != nil {
		t.Fatal(err)
	}
	return pretty.String() + "\n", nil
}

// Each testdata/adapt/*.Caddyfile adapts to the JSON beside it.
func TestAdapt(t *testing.T) {
	files, err := filepath.Glob("testdata/adapt/*.Caddyfile")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			in, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got, err := adapt(t, string(in))
			if err != nil {
				t.Fatal(err)
			}
			golden := strings.TrimSuffix(file, ".Caddyfile") + ".json"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("adapts to\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// Every mistake is refused with what was expected, and where.
func TestCaddyfileMistakes(t *testing.T) {
	site := func(lines string) string {
		return ":8080 {\n\tkeygate {\n" + lines + "\n\t}\n}\n"
	}
	option := func(line string) string {
		return site("public GET /a\n" + line)
	}
	global := func(lines string) string {
		return "{\n\tkeygate {\n" + lines + "\n\t}\n}\n" + option("")
	}
	tests := map[string]struct {
		caddyfile string
		want      []string // all of them
	}{
		"no routes":                  {":8080 {\n\tkeygate\n}\n", []string{"no routes", "Caddyfile:2"}},
		"argument":                   {":8080 {\n\tkeygate foo bar {\n\t}\n}\n", []string{"Caddyfile:2"}},
		"unknown option":             {option("scopes posts:read"), []string{"unrecognized keygate option 'scopes'", "accepted: scope,", "Caddyfile:4"}},
		"repeated option":            {option("errors caddy\nerrors caddy"), []string{"errors is already specified", "Caddyfile:5"}},
		"scope without scope":        {site("scope GET /a"), []string{"scope needs one scope", "Caddyfile:3"}},
		"scope without route":        {site("scope posts:read"), []string{"scope has no routes", "Caddyfile:3"}},
		"bad scope":                  {site("scope Posts:read GET /a"), []string{"Posts:read", "Caddyfile:3"}},
		"route without path":         {site("scope posts:read GET"), []string{"a route is a method and a path", "Caddyfile:3"}},
		"unknown method":             {site("scope posts:read FETCH /a"), []string{"FETCH", "Caddyfile:3"}},
		"lower-case method":          {site("scope posts:read get /a"), []string{"get", "Caddyfile:3"}},
		"bad pattern":                {site("scope posts:read GET a/b"), []string{"a/b", "Caddyfile:3"}},
		"star in the middle":         {site("scope posts:read GET /a/*/b"), []string{"/a/*/b", "Caddyfile:3"}},
		"unknown route option":       {site("scope posts:read GET /a fast"), []string{"unrecognized route option 'fast'", "accepted: cost=<n>, websocket", "Caddyfile:3"}},
		"repeated route option":      {site("scope posts:read GET /a cost=2 cost=3"), []string{"cost=3 is already specified", "Caddyfile:3"}},
		"cost zero":                  {site("scope posts:read GET /a cost=0"), []string{"cost=0 is not accepted", "cost=1 to cost=1000", "Caddyfile:3"}},
		"cost too large":             {site("scope posts:read GET /a cost=1001"), []string{"cost=1001 is not accepted"}},
		"route twice":                {site("scope posts:read GET /a/{id}\npublic GET /a/{name}"), []string{"Caddyfile:3", "Caddyfile:4"}},
		"empty block":                {site("public {\n}"), []string{"public has no routes"}},
		"header without name":        {option("header"), []string{"wrong argument count", "Caddyfile:4"}},
		"header that is reserved":    {option("header Cookie"), []string{"header Cookie cannot carry the token", "Caddyfile:4"}},
		"header that is no header":   {option(`header "X Y"`), []string{"is not a header name", "Caddyfile:4"}},
		"identity prefix":            {option("identity_prefix Foo"), []string{"identity_prefix", "ending in a dash", "Caddyfile:4"}},
		"missing_origin":             {option("missing_origin maybe"), []string{"'maybe' is not accepted here; accepted: deny or allow", "Caddyfile:4"}},
		"errors":                     {option("errors json"), []string{"problem or caddy", "Caddyfile:4"}},
		"auth_failures zero":         {option("auth_failures 0"), []string{"auth_failures 0 is not accepted", "or off", "Caddyfile:4"}},
		"auth_failures word":         {option("auth_failures many"), []string{"auth_failures many is not accepted"}},
		"ratelimit_headers":          {option("ratelimit_headers yes"), []string{"on or off", "Caddyfile:4"}},
		"cors word":                  {option("cors on"), []string{"cors takes a block, or the word off", "Caddyfile:4"}},
		"cors unknown option":        {option("cors {\nallow_origins *\n}"), []string{"unrecognized cors option 'allow_origins'", "Caddyfile:5"}},
		"cors repeated":              {option("cors {\nmax_age 1m\nmax_age 1m\n}"), []string{"cors max_age is already specified", "Caddyfile:6"}},
		"cors max_age":               {option("cors {\nmax_age soon\n}"), []string{"cors max_age soon is not a duration", "Caddyfile:5"}},
		"cors max_age too long":      {option("cors {\nmax_age 48h\n}"), []string{"48h0m0s is not accepted; accepted: up to 24h"}},
		"cors allow_headers":         {option("cors {\nallow_headers *\n}"), []string{"allow_headers", "not a header name"}},
		"global: unknown option":     {global("stores x"), []string{"unrecognized keygate option 'stores'", "store, key_prefix", "Caddyfile:3"}},
		"global: repeated":           {global("key_prefix ab\nkey_prefix ab"), []string{"key_prefix is already specified", "Caddyfile:4"}},
		"global: brand":              {global("key_prefix Patra"), []string{"key_prefix", "Patra", "Caddyfile:3"}},
		"global: retention":          {global("audit_retention 23h"), []string{"audit_retention: 23h0m0s is too short", "400d", "Caddyfile:3"}},
		"global: retention word":     {global("audit_retention ever"), []string{"audit_retention", "ever", "Caddyfile:3"}},
		"global: retention twice":    {global("audit_retention 1d\naudit_retention 1d"), []string{"audit_retention is already specified", "Caddyfile:4"}},
		"global: unknown store":      {global("store mysql"), []string{"mysql", "Caddyfile:3"}},
		"global: bbolt takes a path": {global("store bbolt a b"), []string{"Caddyfile:3"}},
		"global: two blocks":         {"{\n\tkeygate {\n\t}\n\tkeygate {\n\t}\n}\n" + option(""), []string{"already specified", "Caddyfile:4"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			out, err := adapt(t, test.caddyfile)
			if err == nil {
				t.Fatalf("adapts to %s", out)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error is %q; it lacks %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("the error is more than a line: %q", err)
			}
		})
	}
}
