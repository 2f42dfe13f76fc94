package adminapi

import (
	"net/http"
	"strings"

	goyaml "go.yaml.in/yaml/v3"

	_ "embed" // the document
)

//go:embed openapi.yaml
var document []byte

// Document returns the OpenAPI document of the API, as it is served. It must not
// be changed.
func Document() []byte { return document }

// yaml is an answer in YAML (RFC 9512).
type yaml []byte

func (c *call) document(*http.Request) (any, int, error) {
	if c.authority == nil {
		return yaml(document), http.StatusOK, nil
	}
	text, err := c.authority.document(c.resources)
	return yaml(text), http.StatusOK, err
}

// sitePreface replaces what the document says of Caddy's admin endpoint.
const sitePreface = `
info:
  title: Keygate API for keys of a workspace
  version: "1"
  license: {name: Apache-2.0, identifier: Apache-2.0}
  description: |
    Served by keygate_console to people who are signed in to the site. There are
    only the keys of the caller's workspace; /policy says what the caller may do,
    and within which bounds. Bodies are JSON of at most 1 MiB, with that content
    type. Times are RFC 3339 in UTC, to the second.

    A change that a page of another site sends is refused with 403. So is
    whatever the caller may not do, and a key beyond a bound: the error names the
    field, and what would be accepted.

    What a request says is either understood or refused with 400. Any other
    method of a path is answered 405, with those that it has in the header Allow.

    Every answer with a single key has an ETag. A request that changes or deletes
    a key may send it as If-Match, and is refused with 412 if the key has changed
    since.
servers:
  - url: ../api
    description: Beside this document
security: [] # the site signs people in
components:
  responses:
    Forbidden:
      description: The caller may not do this, or the key would exceed a bound
      content: {application/json: {schema: {$ref: "#/components/schemas/Error"}}}
`

// document returns the document of what there is for the caller: with the paths
// as they are in a site, and nothing that none of them uses.
func (a *Authority) document(resources map[string]methods) ([]byte, error) {
	var whole, preface goyaml.Node
	if err := goyaml.Unmarshal(document, &whole); err != nil {
		return nil, err
	}
	if err := goyaml.Unmarshal([]byte(sitePreface), &preface); err != nil {
		return nil, err
	}
	doc, site := whole.Content[0], preface.Content[0]
	for _, name := range []string{"info", "servers", "security"} {
		*memberOf(doc, name) = *memberOf(site, name)
	}
	*memberOf(doc, "components", "responses", "Forbidden") = *memberOf(site, "components", "responses", "Forbidden")

	if _, ok := a.one(); ok { // it need not be named
		keepItems(memberOf(doc, "components", "schemas", "NewKey", "required"), func(field *goyaml.Node) bool { return field.Value != "workspace" })
	}

	paths := memberOf(doc, "paths")
	keepMembers(paths, func(name, item *goyaml.Node) bool {
		resource := resources[name.Value]
		keepMembers(item, func(method, operation *goyaml.Node) bool {
			op, ok := resource[strings.ToUpper(method.Value)]
			keepItems(memberOf(operation, "parameters"), func(parameter *goyaml.Node) bool {
				return referred(parameter) != "#/components/parameters/By"
			})
			return !ok || a.has(op) // what is not an operation is about all of them
		})
		name.Value = strings.TrimPrefix(name.Value, "/keygate")
		for _, op := range resource {
			if a.has(op) {
				return true
			}
		}
		return false
	})
	used := make(map[string]bool)
	follow(doc, paths, used)
	components := memberOf(doc, "components")
	keepMembers(components, func(kind, list *goyaml.Node) bool {
		keepMembers(list, func(name, _ *goyaml.Node) bool { return used["#/components/"+kind.Value+"/"+name.Value] })
		return len(list.Content) > 0
	})
	return goyaml.Marshal(doc)
}

// memberOf returns the value at a path of names in nested mappings, or nil.
func memberOf(n *goyaml.Node, path ...string) *goyaml.Node {
	for _, name := range path {
		if n == nil || n.Kind != goyaml.MappingNode {
			return nil
		}
		var found *goyaml.Node
		for i := 0; i < len(n.Content); i += 2 {
			if n.Content[i].Value == name {
				found = n.Content[i+1]
			}
		}
		n = found
	}
	return n
}

func keepMembers(mapping *goyaml.Node, keep func(name, value *goyaml.Node) bool) {
	kept := mapping.Content[:0]
	for i := 0; i < len(mapping.Content); i += 2 {
		if name, value := mapping.Content[i], mapping.Content[i+1]; keep(name, value) {
			kept = append(kept, name, value)
		}
	}
	mapping.Content = kept
}

// keepItems is keepMembers for a list; there may be none.
func keepItems(list *goyaml.Node, keep func(item *goyaml.Node) bool) {
	if list == nil {
		return
	}
	kept := list.Content[:0]
	for _, item := range list.Content {
		if keep(item) {
			kept = append(kept, item)
		}
	}
	list.Content = kept
}

// referred returns what a node refers to, or "".
func referred(n *goyaml.Node) string {
	if ref := memberOf(n, "$ref"); ref != nil {
		return ref.Value
	}
	return ""
}

// follow collects all that a node refers to, and what that refers to.
func follow(doc, n *goyaml.Node, used map[string]bool) {
	if ref := referred(n); ref != "" && !used[ref] {
		used[ref] = true
		if target := memberOf(doc, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...); target != nil {
			follow(doc, target, used)
		}
	}
	for _, part := range n.Content {
		follow(doc, part, used)
	}
}
