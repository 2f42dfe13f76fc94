package adminapi

import (
	"fmt"
	"strings"
	"testing"

	goyaml "go.yaml.in/yaml/v3"
)

// The document that a caller with an authority gets has what there is for the
// caller and nothing else: each operation, and every component that one uses.
func TestDocumentOfAnAuthority(t *testing.T) {
	for _, workspace := range []string{"acme", AllWorkspaces} {
		t.Run(workspace, func(t *testing.T) {
			a := &Authority{Workspace: workspace, Actor: "lee"}
			text, err := a.document(resources)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), "/keygate/") || strings.Contains(string(text), ByHeader) {
				t.Errorf("the document speaks of the admin endpoint:\n%s", text)
			}
			var doc struct {
				Paths      map[string]map[string]any
				Components map[string]map[string]any
			}
			if err := goyaml.Unmarshal(text, &doc); err != nil {
				t.Fatal(err)
			}
			for path, resource := range resources {
				item := doc.Paths[strings.TrimPrefix(path, "/keygate")]
				for method, op := range resource {
					if _, there := item[strings.ToLower(method)]; there != a.has(op) {
						t.Errorf("%s %s is in the document: %t", method, path, there)
					}
				}
			}
			for kind, list := range doc.Components {
				for name := range list {
					if ref := fmt.Sprintf("#/components/%s/%s", kind, name); !strings.Contains(string(text), ref+`"`) && !strings.Contains(string(text), ref+`'`) && !strings.Contains(string(text), ref+"\n") && !strings.Contains(string(text), ref+"}") {
						t.Errorf("nothing uses %s", ref)
					}
				}
			}
		})
	}
}
