package openapi

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// Random texts, spaced and escaped at random, against the decoder of the library.
func TestJSONNodesAgainstADecoder(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	space := func() string { return pick("", "", " ", "\n", "\r\n\t", "  ") }
	text := func() string {
		return `"` + pick("", "a", "key", "<<") + pick("", `\"`, `\\`, `\\\"`, `\u00e9`, `\ud83d\ude00`, `\ud83d`, "é", "\xff", "{[", "]}", `,:`, "//") + pick("", "z", `\\`, `\n`) + `"`
	}
	var value func(depth int) string
	value = func(depth int) string {
		var b strings.Builder
		switch kind := r.IntN(6); {
		case kind == 0 && depth > 0:
			b.WriteString("[" + space())
			for i := range r.IntN(4) {
				if i > 0 {
					b.WriteString("," + space())
				}
				b.WriteString(value(depth-1) + space())
			}
			b.WriteString("]")
		case kind < 3 && depth > 0:
			b.WriteString("{" + space())
			for i := range r.IntN(4) {
				if i > 0 {
					b.WriteString("," + space())
				}
				b.WriteString(text() + space() + ":" + space() + value(depth-1) + space())
			}
			b.WriteString("}")
		case kind == 3:
			return text()
		default:
			return pick("0", "-1.5e+10", "5.0", "true", "false", "null")
		}
		return b.String()
	}
	for range 5000 {
		document := space() + value(5) + space()
		f := &file{name: "x.json"}
		root, err := f.parseJSON([]byte(document))
		if err != nil {
			t.Fatalf("%q: %v", document, err)
		}
		dec := json.NewDecoder(strings.NewReader(document))
		dec.UseNumber()
		rd := &reader{}
		compareNodes(t, rd, place{f, root}, dec, document)
	}
}

// compareNodes reads the next value of a decoder.
func compareNodes(t *testing.T, r *reader, p place, dec *json.Decoder, document string) {
	t.Helper()
	token, err := dec.Token()
	if err != nil {
		t.Fatal(err)
	}
	line := 1 + bytes.Count([]byte(document[:dec.InputOffset()]), []byte("\n"))
	if p.node.Line != line {
		t.Fatalf("%q: %v is in line %d, not %d", document, token, line, p.node.Line)
	}
	var want [2]string
	switch v := token.(type) {
	case json.Delim:
		kind := yaml.MappingNode
		if v == '[' {
			kind = yaml.SequenceNode
		}
		content, err := r.content(p)
		if err != nil || p.node.Kind != kind {
			t.Fatalf("%q: %v is of kind %d, with %v", document, v, p.node.Kind, err)
		}
		again, _ := r.content(p)
		if !reflect.DeepEqual(content, again) {
			t.Fatalf("%q: the content is another the second time", document)
		}
		for _, n := range content {
			compareNodes(t, r, place{p.file, n}, dec, document)
		}
		if end, err := dec.Token(); err != nil || end != v+2 {
			t.Fatalf("%q: %v ends too early, before %v", document, v, end)
		}
		return
	case string:
		want = [2]string{"!!str", v}
	case json.Number:
		want = [2]string{"!!int", v.String()}
	case bool:
		want = [2]string{"!!bool", map[bool]string{true: "true", false: "false"}[v]}
	case nil:
		want = [2]string{"!!null", "null"}
	}
	if got := [2]string{p.node.Tag, p.node.Value}; got != want {
		t.Fatalf("%q: %q, want %q", document, got, want)
	}
}
