package command

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/socialpatra/keygate/access/lint"
	"github.com/socialpatra/keygate/access/openapi"
	"github.com/socialpatra/keygate/apikey"
)

// isDocument tells an OpenAPI document from a config. YAML is a config only to
// an adapter that is named, and of JSON a document has a key that Caddy does
// not know. A file that cannot be read is left to those who read configs.
func isDocument(file, adapter string) bool {
	if adapter != "" {
		return false
	}
	switch strings.ToLower(filepath.Ext(file)) {
	case ".yaml", ".yml":
		return true
	case ".json":
		text, err := os.ReadFile(file)
		var top map[string]json.RawMessage
		if err != nil || json.Unmarshal(text, &top) != nil {
			return false
		}
		return top["openapi"] != nil || top["swagger"] != nil
	}
	return false
}

// lintDocument finds what a gateway with this document alone would not map, and
// the options that would help.
func lintDocument(file string) (r report, err error) {
	document, proposal, err := openapi.Propose(file)
	if err != nil {
		return r, err
	}
	g := lint.Mapping{Documents: []*openapi.Document{document}, Header: document.KeyHeader}
	r.findings = lint.Check([]lint.Mapping{g}, nil)
	if document.IsNothing() {
		nothing := openapi.NothingMappedError{Documents: g.Documents}
		r.nothing = errors.New(nothing.Summary())
	}
	r.block = openapiBlock(document, proposal)
	return r, nil
}

// openapiBlock is what to write in keygate for a document.
func openapiBlock(d *openapi.Document, p openapi.Proposal) string {
	var b strings.Builder
	if header := openapi.Word(d.KeyHeader); header != "" {
		b.WriteString("header " + header + "\n")
	}
	file := openapi.Word(d.File)
	if file == "" {
		return "# the name of the document cannot be written in a Caddyfile; give it another\n"
	}
	b.WriteString("openapi " + file)
	var lines []string
	if scheme := openapi.Word(p.Options.Scheme); scheme != "" {
		lines = append(lines, "scheme "+scheme)
	}
	if base := openapi.Word(p.Options.BasePath); base != "" {
		lines = append(lines, "base_path "+base)
	}
	for i := range p.Options.ScopeMap {
		lines = append(lines, p.Options.ScopeMap[i].Line())
	}
	for _, scope := range p.Unmapped {
		lines = append(lines, "# scope_map is to be written by hand for "+apikey.Quote(strings.ReplaceAll(scope, "{$", "{ $")))
	}
	if p.Options.Default != nil {
		lines = append(lines, "default "+string(p.Options.Default.Access))
	}
	if len(lines) > 0 {
		b.WriteString(" {\n\t" + strings.Join(lines, "\n\t") + "\n}")
	}
	return b.String() + "\n"
}
