package openapi

import (
	"fmt"
)

// Error is a refusal of a document as a whole. Its text is one line:
//
//	paths/posts.yaml:31: the key "get" is there twice, first at line 12
type Error struct {
	// File, relative to the folder of the document, and line. Without a line, or
	// as the path was given to Read, where there is nothing to point at.
	Where   string
	Problem string
}

func (e *Error) Error() string { return e.Where + ": " + e.Problem }

func fail(where, format string, args ...any) error {
	return &Error{Where: where, Problem: fmt.Sprintf(format, args...)}
}
