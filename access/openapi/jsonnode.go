package openapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// parseJSON returns what a file of JSON holds, as if it were YAML.
func (f *file) parseJSON(text []byte) (*yaml.Node, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // RFC 8259 §8.1
	// First all of it: the errors of a Decoder that reads tokens do not tell
	// where they are.
	if err := json.Unmarshal(text, new(json.RawMessage)); err != nil {
		line := 1
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			line = lineAt(text, max(0, int(syntax.Offset)-1)) // the Offset is after what is wrong
		}
		return nil, fail(f.at(line), "is not JSON: %s", err)
	}
	j := &jsonReader{file: f, text: text, dec: json.NewDecoder(bytes.NewReader(text)), line: 1}
	j.dec.UseNumber()
	return j.value(0, true)
}

// jsonReader makes nodes of the tokens of a valid text.
type jsonReader struct {
	file *file
	text []byte
	dec  *json.Decoder
	line int // where the last token is; no token has a line break in it
	read int // offset of its end
	last int // offset of the end of the last key or item, see where
}

// value reads a value, or a key. It has a place of its own in the text unless it is
// the value of a key.
func (j *jsonReader) value(depth int, own bool) (*yaml.Node, error) {
	token, err := j.dec.Token()
	if err != nil {
		return nil, fail(j.file.at(j.line), "is not JSON: %s", err)
	}
	end := int(j.dec.InputOffset())
	j.line += bytes.Count(j.text[j.read:end], []byte("\n"))
	j.read = end

	if own {
		j.last = end
	}
	n := &yaml.Node{Kind: yaml.ScalarNode, Line: j.line, Column: j.last}
	switch v := token.(type) {
	case string:
		n.Tag, n.Value = "!!str", v
	case json.Number:
		n.Tag, n.Value = "!!int", v.String() // as it was written: 5.0 does not become one
	case bool:
		n.Tag, n.Value = "!!bool", strconv.FormatBool(v)
	case nil:
		n.Tag, n.Value = "!!null", "null"
	case json.Delim:
		n.Kind, n.Tag = yaml.MappingNode, "!!map"
		if v == '[' {
			n.Kind, n.Tag = yaml.SequenceNode, "!!seq"
		}
		return n, j.content(n, depth)
	}
	return n, nil
}

// content reads the keys and values, or the items, up to the closing bracket.
func (j *jsonReader) content(n *yaml.Node, depth int) error {
	isKey := true
	for j.dec.More() {
		if depth == maxDepth {
			return j.file.depthError(n.Line)
		}
		child, err := j.value(depth+1, n.Kind == yaml.SequenceNode || isKey)
		if err != nil {
			return err
		}
		n.Content = append(n.Content, child)
		isKey = !isKey
	}
	_, err := j.dec.Token()
	return err
}
