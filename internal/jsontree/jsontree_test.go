package jsontree

import (
	"encoding/json"
	"fmt"
	"testing"
)

func TestTree(t *testing.T) {
	var tree any
	if err := json.Unmarshal([]byte(`{"a":{"b":["x",1,"y",null],"c":"text","d":true,"e":false,"f":null}}`), &tree); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ got, want any }{
		"a text":            {Text(tree, "a", "c"), "text"},
		"no text":           {Text(tree, "a", "d"), ""},
		"true":              {IsTrue(tree, "a", "d"), true},
		"false":             {IsTrue(tree, "a", "e"), false},
		"neither":           {IsTrue(tree, "a", "c"), false},
		"a list":            {List(tree, "a", "b"), []any{"x", 1, "y", nil}},
		"its texts":         {Texts(tree, "a", "b"), []string{"x", "y"}},
		"no list":           {List(tree, "a"), []any{}},
		"no texts":          {Texts(tree, "a", "c"), []string{}},
		"an object":         {len(Object(tree, "a")), 5},
		"no object":         {len(Object(tree, "a", "b")), 0},
		"nothing":           {At(tree, "x", "y"), nil},
		"below a text":      {At(tree, "a", "c", "d"), nil},
		"below null":        {At(tree, "a", "f", "g"), nil},
		"the tree itself":   {Text("text"), "text"},
		"of nothing at all": {At(nil, "a"), nil},
	} {
		if fmt.Sprint(test.got) != fmt.Sprint(test.want) {
			t.Errorf("%s: %v, want %v", name, test.got, test.want)
		}
	}
	var names string
	Members(At(tree, "a"), func(name string, _ any) { names += name })
	Members(At(tree, "a", "b"), func(name string, _ any) { names += name })
	if names != "bcdef" {
		t.Errorf("members: %s", names)
	}
}
