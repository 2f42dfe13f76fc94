package openapi_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/access/openapi"
	"github.com/socialpatra/keygate/apikey"
)

// What is proposed can be followed, nothing is left to propose then, and no two
// scopes of the document are one.
func TestProposalHelps(t *testing.T) {
	documents := map[string]string{
		"dotted":      "security: [{bearer: [posts.read]}]\npaths: {/a: {get: {}, put: {security: [{bearer: [posts.write]}]}}}",
		"URLs":        "security: [{oauth: ['https://a.example/auth/posts.readonly']}]\npaths: {/a: {get: {}, put: {security: [{oauth: ['https://b.example/auth/posts.readonly']}]}}}",
		"no security": "paths: {/a: {get: {}, put: {}}}",
		"two schemes": "security: [{bearer: [A]}]\npaths: {/a: {get: {}, post: {}, put: {security: [{header: []}]}}}",
		"odd": "security: [{bearer: ['', '*', 'a*b', 'Ä', '0', '...', ' ', " + jsonText(t, strings.Repeat("x", 200)) + ", " + jsonText(t, strings.Repeat("x", 201)) +
			"]}, {bearer: ['api:use', 'Api:Use', 'API:use', 'a/b', 'a.b', 'a:b', 'a b']}]\npaths: {/a: {get: {}}}",
	}
	for name, text := range documents {
		t.Run(name, func(t *testing.T) {
			path := write(t, one(schemes+text+"\n"))
			_, proposal, err := openapi.Propose(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range proposal.Options.ScopeMap {
				if err := m.Check(); err != nil {
					t.Error(err)
				}
				if apikey.CheckScope(m.Source) == nil {
					t.Errorf("%s is mapped, which need not be", m.Source)
				}
			}
			d, err := openapi.Read(path, proposal.Options)
			if err != nil {
				t.Fatal(err)
			}
			if len(d.UnusedMappings) > 0 || len(d.Merged) > 0 {
				t.Errorf("unused %v, merged %v", d.UnusedMappings, d.Merged)
			}
			if name == "odd" {
				if got := fmt.Sprintf("%q", proposal.Unmapped); got != `["" "*" "a*b"]` {
					t.Errorf("left are %s", got)
				}
			} else if proposal.Unmapped != nil {
				t.Errorf("left are %q", proposal.Unmapped)
			}
			for i := range d.Operations {
				if o := &d.Operations[i]; o.Problem != nil && !strings.Contains(o.Problem.Text, "names the scheme") {
					t.Errorf("%s %s: %s", o.Method, o.Path, o.Problem.Text)
				}
			}
		})
	}
}
