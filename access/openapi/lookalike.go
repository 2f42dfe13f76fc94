package openapi

import (
	"slices"
	"strings"

	"github.com/socialpatra/keygate/access"
)

// denyLookAlikes denies operations whose requests no route would match: a backend may
// ignore a format, and so take every request for /query.{format} for one for /query.
// Their problem tells the operator why they are closed.
func denyLookAlikes(d *Document) {
	if !slices.ContainsFunc(d.Operations, func(o Operation) bool { return o.Problem == nil && hasTextAroundName(o.Route.Pattern) }) {
		return // a literal goes before all, and a name alone has values like no literal
	}
	table, err := access.NewTable(d.Routes())
	if err != nil {
		return // of which the gateway tells when it makes its own
	}
	value := d.unlikeText()
	for i := range d.Operations {
		o := &d.Operations[i]
		if o.Problem != nil {
			continue
		}
		path := strings.ReplaceAll(mapTemplate(o.Route.Pattern, one), aName, value)
		if last, ok := strings.CutSuffix(path, "/*"); ok {
			path = last + "/" + value
		}
		if table.Match(o.Method, path) == nil {
			o.Problem = &Problem{Unmappable, "some backends take every request for it for one of another path here, as they leave out a format such as .json; write the route in the Caddyfile if it should be open"}
			o.Route = deniedLike(o)
		}
	}
}

func hasTextAroundName(pattern string) bool {
	for segment := range strings.SplitSeq(mapTemplate(pattern, one), "/") {
		if segment != aName && strings.Contains(segment, aName) {
			return true
		}
	}
	return false
}

// unlikeText returns a value for parameters that no path of the document has: it
// has more of one letter in a row.
func (d *Document) unlikeText() string {
	most := 0
	for i := range d.Operations {
		if r := d.Operations[i].Route; r != nil {
			run := 0
			for _, c := range strings.ToLower(mapTemplate(r.Pattern, one)) {
				if run++; c != 'q' {
					run = 0
				}
				most = max(most, run)
			}
		}
	}
	return "x" + strings.Repeat("q", most+1)
}
