package lint

import (
	"fmt"

	"github.com/socialpatra/keygate/access/openapi"
)

// checkRemarks tells what documents say and no route does. What is said for many
// operations is told once, of the first.
func (s *site) checkRemarks(f *findings) {
	count := make(map[openapi.Remark]int)
	first := make(map[openapi.Remark]*openapi.Operation)
	for _, o := range s.operations {
		if s.covered[o] {
			continue
		}
		for _, r := range o.Remarks {
			if count[r]++; count[r] == 1 {
				first[r] = o
			}
		}
	}
	for r, n := range count {
		more := ""
		if n > 1 {
			more = fmt.Sprintf(" and %d more", n-1)
		}
		o := first[r]
		f.add(Code(r.Kind), r.Source, "%s %s%s: %s", o.Method, o.Path, more, r.Text)
	}
}
