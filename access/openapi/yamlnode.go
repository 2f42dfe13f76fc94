package openapi

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// parseYAML returns what a file of YAML holds. Aliases in it are not expanded.
func (f *file) parseYAML(text []byte) (*yaml.Node, error) {
	dec := yaml.NewDecoder(bytes.NewReader(asVersion11(text)))
	var doc, second yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, fail(f.at(1), "is empty; accepted: an OpenAPI document, or a part of one")
	} else if err != nil {
		return nil, f.yamlError(err, text)
	}
	if err := dec.Decode(&second); err == nil {
		return nil, fail(f.at(second.Line), "begins a second YAML document; accepted: one in a file")
	} else if !errors.Is(err, io.EOF) {
		return nil, f.yamlError(err, text)
	}
	root := doc.Content[0]
	if deep := tooDeep(root, maxDepth); deep != nil {
		return nil, f.depthError(deep.Line)
	}
	return root, nil
}

// versionLine is the directive by which a document says that it is YAML 1.2, in front of
// which only comments and other directives may be.
var versionLine = regexp.MustCompile(`\A(?:\x{FEFF})?(?:[#%][^\n]*\n|[ \t\r]*\n)*?%YAML[ \t]+1\.2`)

// asVersion11 has a document of YAML 1.2 say that it is one of 1.1. The library reads
// both alike, but refuses the directive of 1.2.
func asVersion11(text []byte) []byte {
	said := versionLine.FindIndex(text)
	if said == nil {
		return text
	}
	text = bytes.Clone(text)
	text[said[1]-1] = '1'
	return text
}

// nodesOf returns how many nodes a text of YAML may become, about: nearly all of
// them begin or end with one of a few characters. The library takes 200 bytes for
// each, and as much again for one with an anchor.
func nodesOf(text []byte) (n int) {
	before := byte(' ')
	for i, c := range text {
		after := byte(' ')
		if i+1 < len(text) {
			after = text[i+1]
		}
		switch c {
		case ':':
			if after <= ' ' || strings.IndexByte(",[]{}", after) >= 0 || strings.IndexByte(`"'}]`, before) >= 0 {
				n += 2
			}
		case ',', '[', '{', '&':
			n += 2
		case '-', '?':
			if after <= ' ' {
				n++
			}
		}
		before = c
	}
	return n + 1
}

func (f *file) depthError(line int) error {
	return fail(f.at(line), "is nested too deep; accepted: at most %d lists and mappings in each other", maxDepth)
}

// tooDeep returns a list or mapping that is inside more than most others.
func tooDeep(n *yaml.Node, most int) *yaml.Node {
	if len(n.Content) > 0 && most == 0 {
		return n
	}
	for _, child := range n.Content {
		if deep := tooDeep(child, most-1); deep != nil {
			return deep
		}
	}
	return nil
}

// yamlError reports a syntax error with its line. The library gives the line only in
// the text of its error. Its parser counts lines from 0, its scanner from 1. It gives
// no line for errors in the first line, and for some others.
func (f *file) yamlError(err error, text []byte) error {
	line, problem := 1, strings.TrimPrefix(err.Error(), "yaml: ")
	if m := yamlLine.FindStringSubmatch(problem); m != nil {
		line, _ = strconv.Atoi(m[1])
		problem = m[2]
		if slices.ContainsFunc(parserSays, func(start string) bool { return strings.HasPrefix(problem, start) }) {
			line++
		}
	} else if m := unknownAnchor.FindStringSubmatch(problem); m != nil {
		line = lineAt(text, max(0, bytes.Index(text, []byte("*"+m[1]))))
	} else if strings.Contains(problem, "UTF-8") || strings.HasPrefix(problem, "control characters") || strings.HasPrefix(problem, "invalid Unicode") {
		line = lineAt(text, unprintable(text))
	}
	return fail(f.at(min(line, lineAt(text, len(text)))), "is not YAML: %s", problem)
}

var (
	yamlLine      = regexp.MustCompile(`^line (\d+): (.*)`)
	unknownAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced`)
	parserSays    = []string{
		"did not find expected <", "did not find expected node content", "did not find expected key",
		"did not find expected '-' indicator", "did not find expected ',' or ", "found undefined tag handle",
		"found duplicate %", "found incompatible YAML document",
	}
)

// unprintable returns where the first character is that YAML does not accept
// (YAML 1.2.2 §5.1), or the end.
func unprintable(text []byte) int {
	for i := 0; i < len(text); {
		c, n := utf8.DecodeRune(text[i:])
		switch {
		case c == '\t', c == '\n', c == '\r', c == 0x85:
		case c == utf8.RuneError && n == 1, c < ' ', 0x7f <= c && c <= 0x9f, c == 0xfffe, c == 0xffff:
			return i
		}
		i += n
	}
	return len(text)
}

// lineAt returns the line of a place in a text, from 1. A line break at the end
// begins none.
func lineAt(text []byte, offset int) int {
	return 1 + bytes.Count(text[:min(offset, max(0, len(text)-1))], []byte("\n"))
}
