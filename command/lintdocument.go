package command

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
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
func lintDocument(file string) (findings []lint.Finding, block string, err error) {
	document, proposal, err := openapi.Propose(file)
	if err != nil {
		return nil, "", err
	}
	g := lint.Mapping{Documents: []*openapi.Document{document}, Header: document.KeyHeader}
	findings = slices.DeleteFunc(lint.Check([]lint.Mapping{g}, nil), func(f lint.Finding) bool {
		return f.Code == lint.UnusedScope && f.Where == "" // of the catalogue: a document need not use all of it
	})
	return findings, openapiBlock(document, proposal), nil
}

// openapiBlock is what to write in keygate for a document.
func openapiBlock(d *openapi.Document, p openapi.Proposal) string {
	var b strings.Builder
	if header := word(d.KeyHeader); header != "" {
		b.WriteString("header " + header + "\n")
	}
	file := word(d.File)
	if file == "" {
		return "# the name of the document cannot be written in a Caddyfile; give it another\n"
	}
	b.WriteString("openapi " + file)
	var lines []string
	if scheme := word(p.Options.Scheme); scheme != "" {
		lines = append(lines, "scheme "+scheme)
	}
	for _, m := range p.Options.ScopeMap {
		source := word(m.Source)
		if source == "" {
			p.Unmapped = append(p.Unmapped, m.Source)
			continue
		}
		lines = append(lines, "scope_map "+source+" "+strings.Join(m.Scopes, " "))
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

// word returns a text as one word of a Caddyfile; "" where it cannot be one.
// Between backquotes nothing is escaped, but variables of the environment are
// put in before anything is read.
func word(text string) string {
	switch {
	case text == "" || strings.Contains(text, "`") || strings.Contains(text, "{$") || strings.ContainsFunc(text, isControl):
		return ""
	case strings.ContainsAny(text, " \"'{}#<\\") || !isASCII(text):
		return "`" + text + "`"
	}
	return text
}

func isControl(c rune) bool { return c < ' ' || 0x7f <= c && c < 0xa0 || c == '\ufeff' }

func isASCII(text string) bool {
	return !strings.ContainsFunc(text, func(c rune) bool { return c >= 0x80 })
}

// byCode counts findings: "2 no_security, 1 unmappable".
func byCode(findings []lint.Finding) string {
	counts := make(map[lint.Code]int)
	var codes []lint.Code
	for _, f := range findings {
		if counts[f.Code]++; counts[f.Code] == 1 {
			codes = append(codes, f.Code)
		}
	}
	var parts []string
	for _, code := range codes {
		parts = append(parts, strconv.Itoa(counts[code])+" "+string(code))
	}
	return strings.Join(parts, ", ")
}
