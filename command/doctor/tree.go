package doctor

import (
	"maps"
	"slices"
)

// Configs are JSON of any form here: what is not as it should be is not there.

// in returns what is in a tree below names, or nil.
func in(tree any, names ...string) any {
	for _, name := range names {
		object, _ := tree.(map[string]any)
		tree = object[name]
	}
	return tree
}

func textIn(tree any, names ...string) string {
	text, _ := in(tree, names...).(string)
	return text
}

func isTrue(tree any, names ...string) bool {
	yes, _ := in(tree, names...).(bool)
	return yes
}

func listIn(tree any, names ...string) []any {
	list, _ := in(tree, names...).([]any)
	return list
}

func textsIn(tree any, names ...string) (found []string) {
	for _, element := range listIn(tree, names...) {
		if text, ok := element.(string); ok {
			found = append(found, text)
		}
	}
	return found
}

// members calls f with the members of an object in the order of their names.
func members(tree any, f func(name string, member any)) {
	object, _ := tree.(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(object)) {
		f(name, object[name])
	}
}
