package adminapi

import (
	"fmt"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/access/openapi"
)

// mostRemarks is how many operations or routes one line of a log names.
const mostRemarks = 10

// DeniedOf counts the operations of a document that could not be mapped and are
// denied. It returns the first of them in words.
func DeniedOf(document *openapi.Document) (n int, first []string) {
	for i := range document.Operations {
		op := &document.Operations[i]
		if op.Problem == nil {
			continue
		}
		if n++; n <= mostRemarks {
			first = append(first, fmt.Sprintf("%s: %s %s: %s", op.Source, op.Method, op.Path, op.Problem.Text))
		}
	}
	return n, first
}

// Taken counts where routes of the config come before imported ones, and returns
// the first of these places in words.
func (g *Mapping) Taken() (n int, first []string) {
	overlaps := g.Policy.Table.Overlaps()
	for _, o := range overlaps[:min(len(overlaps), mostRemarks)] {
		line := fmt.Sprintf("%s comes before %s", placed(o.Written), placed(o.Imported))
		if o.Others > 0 {
			line += fmt.Sprintf(", and so do %d more", o.Others)
		}
		first = append(first, line)
	}
	return len(overlaps), first
}

// placed is a route, and where it was written: a config in JSON need not say so.
func placed(r *access.Route) string {
	if r.Source == "" {
		return r.String()
	}
	return r.Source + ": " + r.String()
}
