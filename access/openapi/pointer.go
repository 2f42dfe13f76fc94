package openapi

import (
	"fmt"
	"sort"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/socialpatra/keygate/apikey"
)

// where returns where a node is, as file and line. In a JSON file it returns file and
// JSON pointer (RFC 6901) if other values, which do not contain the node, are on its
// line.
//
// Nodes of JSON keep an offset in Column in place of a column, counted from 1: keys,
// items and the root their own, and a value that of its key. So the way to a node is
// found from the root by comparing offsets.
func (f *file) where(n *yaml.Node) string {
	if f.json == nil {
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
		if i > 0 && f.lastLine(at.Content[i-1]) >= n.Line || i+step < len(at.Content) && at.Content[i+step].Line <= n.Line {
			told = false
		}
		at = at.Content[i+step-1]
	}
	if told {
		return f.at(n.Line)
	}
	return f.name + "#" + pointer.String()
}

// lastLine returns the line where the last node begins that is in a node of JSON.
func (f *file) lastLine(n *yaml.Node) int {
	for len(n.Content) > 0 {
		n = n.Content[len(n.Content)-1]
	}
	if at, unread := f.json.unread[n]; unread {
		return f.json.lastLine(at)
	}
	return n.Line
}

// maxToken is how many bytes of a key a pointer has. One that is longer leads
// nowhere, and can be read.
const maxToken = 1024

// pointerToken writes a key as a part of a pointer, in one line and without what
// could be a key to an API.
func pointerToken(key string) string {
	if len(key) > maxToken {
		key = strings.ToValidUTF8(key[:maxToken], "") + "…"
	}
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
