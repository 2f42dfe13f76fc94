package openapi

import (
	"fmt"
	"strings"

	"github.com/socialpatra/keygate/access"
)

// NothingMappedError is the error of a gateway whose documents have no operation that
// anybody may call. Its text is one line.
type NothingMappedError struct {
	Documents []*Document    // at least one, each with an operation
	Written   []access.Route // none of which lets anybody in either
	Header    string         // that the gateway reads keys in besides Authorization; "": none
}

func (e *NothingMappedError) Error() string {
	return e.Summary() + "; caddy keygate lint with the name of the document prints all of them, and a block to paste"
}

// Summary counts the reasons, and has the first operation with what to write.
func (e *NothingMappedError) Summary() string {
	var first *Operation
	var kinds []Kind
	counts := make(map[Kind]int)
	all := 0
	for _, d := range e.Documents {
		for i := range d.Operations {
			o := &d.Operations[i]
			all++
			if first == nil {
				first = o
			}
			if counts[o.Problem.Kind]++; counts[o.Problem.Kind] == 1 {
				kinds = append(kinds, o.Problem.Kind)
			}
		}
	}
	var parts []string
	for _, kind := range kinds {
		parts = append(parts, fmt.Sprintf("%d %s", counts[kind], kind))
	}
	return fmt.Sprintf("openapi %s: none of the %d operations can be mapped (%s), such as %s: %s %s: %s",
		e.Documents[0].File, all, strings.Join(parts, ", "), first.Source, first.Method, first.Path, first.Problem.Text)
}

// IsNothing reports whether nobody may call any operation of the document.
func (d *Document) IsNothing() bool {
	for i := range d.Operations {
		if d.Operations[i].Problem == nil {
			return false
		}
	}
	return true
}
