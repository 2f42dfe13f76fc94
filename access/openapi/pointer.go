package openapi

import (
	"fmt"
	"sort"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/socialpatra/keygate/apikey"
)

// where returns where a node is: file and line; in a file of JSON file and JSON
// pointer (RFC 6901) if there are others in the line that it is not a part of.
//
// Nodes of JSON have no column, and in its place where in the text they are: keys,
// items and the root the offset of their first token's end, and a value that of
// its key. So the way to a node is found from the root by comparing offsets.
func (f *file) where(n *yaml.Node) string {
	if !f.json {
		return f.at(n.Line)
	}
	var pointer strings.Builder
	told := true
	for at := f.root; at.Column < n.Column && len(at.Content) > 0; {
		step := 1 // a mapping has keys and values in turn
		if at.Kind == yaml.MappingNode {
			step = 2
		}
		// The last child that is not behind it.
		i := step * (sort.Search(len(at.Content)/step, func(i int) bool { return at.Content[i*step].Column > n.Column }) - 1)
		token := strconv.Itoa(i)
		if step == 2 {
			token = pointerToken(at.Content[i].Value)
		}
		pointer.WriteString("/" + token)
		if i > 0 && lastLine(at.Content[i-1]) >= n.Line || i+step < len(at.Content) && at.Content[i+step].Line <= n.Line {
			told = false
		}
		at = at.Content[i+step-1]
	}
	if told {
		return f.at(n.Line)
	}
	return f.name + "#" + pointer.String()
}

// lastLine returns the line where the last node begins that is in a node.
func lastLine(n *yaml.Node) int {
	for len(n.Content) > 0 {
		n = n.Content[len(n.Content)-1]
	}
	return n.Line
}

// pointerToken writes a key as a part of a pointer, in one line and without what
// could be a key to an API.
func pointerToken(key string) string {
	if apikey.Quote(key) == "<a token>" {
		return "<a token>"
	}
	var b strings.Builder
	for _, c := range strings.NewReplacer("~", "~0", "/", "~1").Replace(key) {
		if isControl(c) || c == '\u2028' || c == '\u2029' {
			for _, octet := range []byte(string(c)) {
				fmt.Fprintf(&b, "%%%02X", octet)
			}
			continue
		}
		b.WriteRune(c)
	}
	return b.String()
}
