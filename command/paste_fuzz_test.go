package command

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/access/openapi"
)

// stated is what a document says of one of its operations, read by nothing of
// ours: the requirements, or that there are none.
type stated struct {
	said         bool
	requirements []map[string][]string
}

// statedIn reads the security of every operation; ok is false for documents with
// references, merge keys and aliases, and for those that are no document.
func statedIn(text string) (all map[string]stated, ok bool) {
	type operation struct {
		Security *[]map[string][]string `yaml:"security"`
	}
	var document struct {
		Security *[]map[string][]string          `yaml:"security"`
		Paths    map[string]map[string]yaml.Node `yaml:"paths"`
	}
	if strings.ContainsAny(text, "&") || strings.Contains(text, "$ref") || strings.Contains(text, "<<") || yaml.Unmarshal([]byte(text), &document) != nil {
		return nil, false
	}
	all = make(map[string]stated)
	for path, item := range document.Paths {
		for method, node := range item {
			var o operation
			if node.Decode(&o) != nil {
				continue
			}
			security := o.Security
			if security == nil {
				security = document.Security
			}
			s := stated{said: security != nil}
			if security != nil {
				s.requirements = *security
			}
			all[strings.ToUpper(method)+" "+path] = s
		}
	}
	return all, true
}

// allows reports whether the document lets in whom a route does: anybody, any
// key, or keys with scopes, of which the proposal names some anew.
func (s stated) allows(r *access.Route, scheme string, names map[string]string) bool {
	switch {
	case r.Access == access.Denied:
		return true
	case !s.said: // what the block says by default, which is for any key at most
		return r.Access == access.Authenticated
	}
	public := len(s.requirements) == 0
	var sets [][]string
	for _, requirement := range s.requirements {
		public = public || len(requirement) == 0
		if scopes, ok := requirement[scheme]; ok {
			sets = append(sets, scopes)
		}
	}
	if public {
		return true
	}
	if r.Access == access.Public {
		return false
	}
	// Whoever passes holds all of some alternative.
	granted := [][]string(r.Scopes)
	if r.Access == access.Authenticated {
		granted = [][]string{nil}
	}
	for _, held := range granted {
		holds := make(map[string]bool)
		for _, scope := range held {
			holds[scope] = true
		}
		met := false
		for _, set := range sets {
			all := true
			for _, scope := range set {
				name := scope
				if renamed, ok := names[scope]; ok {
					name = renamed
				}
				all = all && holds[name]
			}
			met = met || all
		}
		if !met {
			return false
		}
	}
	return true
}

// The block of any document can be pasted: the Caddyfile adapts, and the config
// loads unless nothing is mapped. Each of its lines is for something. No operation is then open to whom the document
// keeps out.
func FuzzPaste(f *testing.F) {
	for _, walk := range walks {
		f.Add(walk.text)
	}
	f.Add("openapi: 3.1.0\nservers: [{url: /a b}, {url: '/{$X}', variables: {}}]\npaths: {/a: {get: {security: [{}]}}}\n")
	f.Add("openapi: 3.1.0\nservers: [{url: /v1}, {url: \"/v`2\"}]\npaths: {/a: {get: {security: []}}}\n")
	f.Add(walkSchemes + "security: [{oauth: ['import', 'a:b', '*', 'a.b', 'a/b']}]\npaths: {/a: {get: {}, put: {security: [{oauth: [], basic: []}]}, post: {security: [{basic: []}]}}}\n")
	folder := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) { checkPaste(t, folder, text) })
}

// The same of random documents that can be read, with scopes that no Caddyfile and
// no key can have.
func TestPasteOfRandomDocuments(t *testing.T) {
	folder := t.TempDir()
	pasted := 0
	for seed := range uint64(250) {
		text := randomDocument(rand.New(rand.NewPCG(seed, 1)))
		if checkPaste(t, folder, text); t.Failed() {
			t.Fatalf("seed %d:\n%s", seed, text)
		}
		if _, err := os.Stat(filepath.Join(folder, "Caddyfile")); err == nil {
			pasted++
			os.Remove(filepath.Join(folder, "Caddyfile"))
		}
	}
	if pasted < 200 {
		t.Errorf("only %d have a block", pasted)
	}
}

// randomDocument is YAML whose every value is JSON.
func randomDocument(r *rand.Rand) string {
	one := func(of ...string) string { return of[r.IntN(len(of))] }
	scopes := []string{"a:b", "a:c", "api:read", "read", "READ", "Read", "read.a", "a/read", "*", "x*y", "", "https://a.example/read", "a b", "`", "{$HOME}", "#x", "\n", "ä", "{x}", "api:read-2", "x\"y", "\\"}
	security := func() string {
		var items []string
		for range r.IntN(4) {
			item := make(map[string][]string)
			for _, name := range []string{"k", "o", "s x", "#b"} {
				if r.IntN(2) > 0 {
					item[name] = []string{}
					for range r.IntN(3) {
						item[name] = append(item[name], one(scopes...))
					}
				}
			}
			text, _ := json.Marshal(item)
			items = append(items, string(text))
		}
		return "[" + strings.Join(items, ", ") + "]"
	}
	var b strings.Builder
	b.WriteString("openapi: 3.2.0\ncomponents: {securitySchemes: {k: {type: http, scheme: bearer}, o: {type: oauth2, flows: {}}, 's x': {type: apiKey, in: cookie, name: s}, '#b': {type: apiKey, in: header, name: X-B}}}\n")
	if r.IntN(2) > 0 {
		b.WriteString("security: " + security() + "\n")
	}
	fmt.Fprintf(&b, "servers: [{url: %q}, {url: %q}]\npaths:\n", one("/", "/v1", "https://a.example/v 2"), one("/", "/v1", "/v~2"))
	for _, path := range []string{"/a", "/a/{id}", "/a/{id}{x}", "/a#b", "/:c", "/é"} {
		fmt.Fprintf(&b, "  %q:\n", path)
		for _, method := range []string{"get", "put", "query"} {
			if r.IntN(3) == 0 {
				fmt.Fprintf(&b, "    %s: {}\n", method)
			} else {
				fmt.Fprintf(&b, "    %s: {security: %s}\n", method, security())
			}
		}
	}
	return b.String()
}

// checkPaste pastes the block that lint prints of a document, if it can be read.
func checkPaste(t *testing.T, folder, text string) {
	t.Helper()
	path, config := filepath.Join(folder, "api.yaml"), filepath.Join(folder, "Caddyfile")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, proposal, err := openapi.Propose(path)
	if err != nil {
		return
	}
	r, err := lintDocument(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, []byte(":8080 {\n\tkeygate {\n"+r.block+"\t}\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := loadConfig(config, "")
	if err != nil {
		t.Fatalf("%v\n%s", err, r.block)
	}
	mappings, nothing, err := c.read()
	if err != nil {
		t.Fatalf("%v\n%s", err, r.block)
	}
	if len(nothing) > 0 {
		return
	}
	said, ok := statedIn(text)
	if !ok {
		return
	}
	names := make(map[string]string)
	for _, m := range proposal.Options.ScopeMap {
		names[m.Source] = m.Scopes[0]
	}
	if merged := mappings[0].Documents[0].Merged; len(merged) > 0 {
		t.Errorf("scopes become one: %v\n%s", merged, r.block)
	}
	if unused := mappings[0].Documents[0].UnusedMappings; len(unused) > 0 {
		t.Errorf("lines are for nothing: %v\n%s", unused, r.block)
	}
	document, err := openapi.Read(path, openapi.Options{BasePath: "/", Scheme: proposal.Options.Scheme})
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range mappings[0].Documents[0].Operations {
		asked := o.Method + " " + document.Operations[i].Path // without what goes before it
		if s, ok := said[asked]; ok && o.Route != nil && !s.allows(o.Route, document.Scheme, names) {
			t.Errorf("%s says %v and becomes %v %v\n%s", asked, s, o.Route.Access, o.Route.Scopes, r.block)
		}
	}
}
