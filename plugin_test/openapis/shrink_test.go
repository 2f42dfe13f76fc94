package openapis

import (
	"slices"
	"time"

	"go.yaml.in/yaml/v3"
)

// mostShrinking bounds how long a document is made smaller.
const mostShrinking = time.Minute

// shrink removes from a document what it can while still holds, and returns it as
// YAML.
func shrink(data []byte, still func([]byte) bool) string {
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil || len(root.Content) == 0 {
		return string(data)
	}
	block(&root) // with braces the library would take it for JSON, which has other escapes
	s := shrinker{root: &root, still: still, until: time.Now().Add(mostShrinking)}
	s.bare()
	for s.smaller(root.Content[0]) {
	}
	return string(text(&root))
}

type shrinker struct {
	root  *yaml.Node
	still func([]byte) bool
	until time.Time
}

func text(root *yaml.Node) []byte {
	encoded, err := yaml.Marshal(root)
	if err != nil {
		return nil
	}
	return encoded
}

// holds tries n with other content, and leaves it so if what is looked for is
// still there.
func (s *shrinker) holds(n *yaml.Node, content []*yaml.Node) bool {
	before := n.Content
	n.Content = content
	if time.Now().Before(s.until) && s.still(text(s.root)) {
		return true
	}
	n.Content = before
	return false
}

// bare removes at once what says nothing of who may call what.
func (s *shrinker) bare() {
	var whole yaml.Node
	if yaml.Unmarshal(text(s.root), &whole) != nil {
		return
	}
	prune(whole.Content[0], func(key string) bool {
		return slices.Contains([]string{"openapi", "info", "paths", "security", "servers", "components"}, key)
	})
	for key, value := range pairs(whole.Content[0]) {
		switch key.Value {
		case "components":
			prune(value, func(key string) bool { return key == "securitySchemes" })
		case "paths":
			for _, item := range pairs(value) {
				for _, operation := range pairs(item) {
					prune(operation, func(key string) bool { return key == "security" || key == "servers" })
				}
			}
		}
	}
	s.holds(s.root.Content[0], whole.Content[0].Content)
}

// pairs goes over the keys and values of a mapping.
func pairs(n *yaml.Node) func(yield func(key, value *yaml.Node) bool) {
	return func(yield func(key, value *yaml.Node) bool) {
		if n.Kind != yaml.MappingNode {
			return
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !yield(n.Content[i], n.Content[i+1]) {
				return
			}
		}
	}
}

func prune(n *yaml.Node, keep func(key string) bool) {
	if n.Kind != yaml.MappingNode {
		return
	}
	var kept []*yaml.Node
	for key, value := range pairs(n) {
		if keep(key.Value) {
			kept = append(kept, key, value)
		}
	}
	n.Content = kept
}

// smaller removes parts of n and of what is in it: halves first, single ones
// last. It reports whether there was one.
func (s *shrinker) smaller(n *yaml.Node) (found bool) {
	width := 1
	switch n.Kind {
	case yaml.MappingNode:
		width = 2
	case yaml.SequenceNode:
	default:
		return false
	}
	for size := max(len(n.Content)/width/2, 1); size > 0; size /= 2 {
		for i := 0; i < len(n.Content); {
			end := min(i+size*width, len(n.Content))
			if s.holds(n, slices.Concat(n.Content[:i], n.Content[end:])) {
				found = true
			} else {
				i = end
			}
		}
	}
	for _, child := range slices.Clone(n.Content) {
		found = s.smaller(child) || found
	}
	return found
}

// block writes all in lines of their own.
func block(n *yaml.Node) {
	n.Style = 0
	for _, child := range n.Content {
		block(child)
	}
}
