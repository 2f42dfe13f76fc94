// Package jsontree reads what encoding/json makes of JSON of any form, such as a
// config of Caddy. What is not there, or is of another kind than asked for, is
// empty.
package jsontree

import (
	"maps"
	"slices"
)

// At returns what is in a tree below names, or nil.
func At(tree any, names ...string) any {
	for _, name := range names {
		object, _ := tree.(map[string]any)
		tree = object[name]
	}
	return tree
}

// Text returns the string that is at names.
func Text(tree any, names ...string) string {
	text, _ := At(tree, names...).(string)
	return text
}

// IsTrue reports whether true is at names.
func IsTrue(tree any, names ...string) bool {
	yes, _ := At(tree, names...).(bool)
	return yes
}

// Object returns the object that is at names.
func Object(tree any, names ...string) map[string]any {
	object, _ := At(tree, names...).(map[string]any)
	return object
}

// List returns the list that is at names.
func List(tree any, names ...string) []any {
	list, _ := At(tree, names...).([]any)
	return list
}

// Texts returns the strings of the list that is at names.
func Texts(tree any, names ...string) (found []string) {
	for _, element := range List(tree, names...) {
		if text, ok := element.(string); ok {
			found = append(found, text)
		}
	}
	return found
}

// Members calls f with the members of an object in the order of their names.
func Members(tree any, f func(name string, member any)) {
	object := Object(tree)
	for _, name := range slices.Sorted(maps.Keys(object)) {
		f(name, object[name])
	}
}
