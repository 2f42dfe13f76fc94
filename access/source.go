package access

import (
	"cmp"
	"strconv"
	"strings"
)

// CompareSources orders values of [Route.Source] by file, then by line number:
// "Caddyfile:9" comes before "Caddyfile:12".
func CompareSources(a, b string) int {
	aFile, aLine := splitSource(a)
	bFile, bLine := splitSource(b)
	return cmp.Or(cmp.Compare(aFile, bFile), cmp.Compare(aLine, bLine), cmp.Compare(a, b))
}

// splitSource returns line 0 if source does not end in a number.
func splitSource(source string) (file string, line int) {
	if i := strings.LastIndexByte(source, ':'); i >= 0 {
		if n, err := strconv.Atoi(source[i+1:]); err == nil {
			return source[:i], n
		}
	}
	return source, 0
}
