package openapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// jsonText is the text of a file of JSON. Nodes are made of what is looked at,
// so that schemas cost next to nothing.
type jsonText struct {
	text     []byte
	brackets []bracket          // of each list and mapping, in the order of the text
	lines    []int32            // line breaks before each block of the text
	unread   map[*yaml.Node]int // lists and mappings whose content was not needed yet, by their place in brackets
}

// bracket is where a list or mapping is in a text.
type bracket struct {
	start, end int32
	next       int32 // place of the first list or mapping after its end
}

const lineBlock = 1024 // bytes

// parseJSON returns what a file of JSON holds, as if it were YAML. The content
// of lists and mappings is left to [reader.content].
func (f *file) parseJSON(text []byte) (*yaml.Node, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // RFC 8259 §8.1
	if !json.Valid(text) {
		err := json.Unmarshal(text, new(json.RawMessage))
		line := 1
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			line = lineAt(text, max(0, int(syntax.Offset)-1)) // the Offset is after what is wrong
		}
		return nil, fail(f.at(line), "is not JSON: %s", err)
	}
	j := &jsonText{text: text, unread: make(map[*yaml.Node]int)}
	f.json = j
	j.countLines()
	if deep := j.findBrackets(); deep >= 0 {
		return nil, f.depthError(j.line(deep))
	}
	start := j.space(0)
	root, _, _ := j.value(start, 0)
	root.Column = start + 1
	return root, nil
}

func (j *jsonText) countLines() {
	breaks := 0
	for i := 0; i < len(j.text); i += lineBlock {
		j.lines = append(j.lines, int32(breaks))
		breaks += bytes.Count(j.text[i:min(i+lineBlock, len(j.text))], []byte("\n"))
	}
}

func (j *jsonText) line(offset int) int {
	block := offset / lineBlock
	return 1 + int(j.lines[block]) + bytes.Count(j.text[block*lineBlock:offset], []byte("\n"))
}

// findBrackets fills in brackets. It returns the offset of the first list or mapping
// that is not empty and nested deeper than maxDepth, or -1.
func (j *jsonText) findBrackets() (deep int) {
	j.brackets = make([]bracket, 0, bytes.Count(j.text, []byte("["))+bytes.Count(j.text, []byte("{")))
	var open []int
	for i := 0; i < len(j.text); i++ {
		switch j.text[i] {
		case '"':
			i = j.stringEnd(i) - 1
		case '[', '{':
			if next := j.text[j.space(i+1)]; len(open) == maxDepth && next != ']' && next != '}' {
				return i
			}
			open = append(open, len(j.brackets))
			j.brackets = append(j.brackets, bracket{start: int32(i)})
		case ']', '}':
			b := &j.brackets[open[len(open)-1]]
			b.end, b.next = int32(i), int32(len(j.brackets))
			open = open[:len(open)-1]
		}
	}
	return -1
}

// stringEnd returns the offset after a string.
func (j *jsonText) stringEnd(start int) int {
	for i := start + 1; ; i++ {
		i += bytes.IndexByte(j.text[i:], '"')
		escapes := 0
		for j.text[i-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return i + 1
		}
	}
}

// space returns the offset of the first character from an offset on that is no
// whitespace (RFC 8259 §2).
func (j *jsonText) space(i int) int {
	for i < len(j.text) && (j.text[i] == ' ' || j.text[i] == '\n' || j.text[i] == '\r' || j.text[i] == '\t') {
		i++
	}
	return i
}

// value returns the node of the value at an offset, the offset after it, and the
// place of the first bracket from there on. next is that of the first bracket
// from the offset on.
func (j *jsonText) value(i, next int) (n *yaml.Node, end, after int) {
	n = &yaml.Node{Kind: yaml.ScalarNode, Line: j.line(i)}
	switch c := j.text[i]; c {
	case '{', '[':
		n.Kind, n.Tag = yaml.MappingNode, "!!map"
		if c == '[' {
			n.Kind, n.Tag = yaml.SequenceNode, "!!seq"
		}
		j.unread[n] = next
		b := &j.brackets[next]
		return n, int(b.end) + 1, int(b.next)
	case '"':
		end = j.stringEnd(i)
		n.Tag, n.Value = "!!str", unquote(j.text[i:end])
		return n, end, next
	case 't', 'f':
		n.Tag = "!!bool"
	case 'n':
		n.Tag = "!!null"
	default:
		n.Tag = "!!int" // as it was written: 5.0 does not become one
	}
	end = i
	for end < len(j.text) && bytes.IndexByte([]byte(" \t\r\n,]}"), j.text[end]) < 0 {
		end++
	}
	n.Value = string(j.text[i:end])
	return n, end, next
}

// unquote returns what a string of valid JSON says.
func unquote(quoted []byte) (s string) {
	inside := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(inside, '\\') < 0 && utf8.Valid(inside) {
		return string(inside)
	}
	if err := json.Unmarshal(quoted, &s); err != nil {
		panic(err) // all of the text is valid
	}
	return s
}

// content returns the keys and values of a mapping, or the items of a list.
func (r *reader) content(p place) ([]*yaml.Node, error) {
	j := p.file.json
	if j == nil {
		return p.node.Content, nil
	}
	at, ok := j.unread[p.node]
	if !ok {
		return p.node.Content, nil
	}
	delete(j.unread, p.node)
	b := j.brackets[at]
	next := at + 1
	for i := j.space(int(b.start) + 1); i < int(b.end); i = j.space(i) {
		if j.text[i] == ',' || j.text[i] == ':' {
			i++
			continue
		}
		if err := r.count(p, 2); err != nil {
			return nil, err
		}
		var n *yaml.Node
		start := i
		n, i, next = j.value(i, next)
		n.Column = start + 1
		if last := len(p.node.Content) - 1; p.node.Kind == yaml.MappingNode && last%2 == 0 {
			n.Column = p.node.Content[last].Column // it is the value of a key
		}
		p.node.Content = append(p.node.Content, n)
	}
	return p.node.Content, nil
}

// lastLine returns the line where the last value begins that is in a list or
// mapping: all that follows it is white space and brackets that close.
func (j *jsonText) lastLine(at int) int {
	i := int(j.brackets[at].end) - 1
	for i > int(j.brackets[at].start) && bytes.IndexByte([]byte(" \t\r\n]}"), j.text[i]) >= 0 {
		i--
	}
	return j.line(i)
}
