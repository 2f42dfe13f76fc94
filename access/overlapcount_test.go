package access

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// productTables have imported and written routes of which each meets each, in
// the forms that patterns have.
func productTables(imported, written int) map[string][]string {
	forms := map[string][2]string{
		"names that cross":     {"/v1/{a}/lit%d", "/v1/other%d/{b}"},
		"stars":                {"/v1/{a}/x%d/*", "/v1/{b}/{c}/y%d/*"},
		"texts around names":   {"/v1/a%d{x}", "/v1/{y}.b%d"},
		"texts and literals":   {"/v1/{a}/x%d", "/v1/z%d.{b}/{c}"},
		"texts over literals":  {"/v1/{x}.a%d/c", "/v1/b%d/{y}"},
		"texts before names":   {"/v1/a%d{x}/c", "/v1/b%d/{y}"},
		"literals below texts": {"/v1/b%d/{y}", "/v1/{x}.a%d/c"},
		"below a star":         {"/v1/{a}/b%d/*", "/v1/{a}/{b}/c/d/e%d"},
		"two names, deep":      {"/{a}/{b}/{c}/x%d", "/k%d/l/m/{d}"},
		"no overlap but names": {"/{a}/{b}/x%d", "/k%d/l/m"},
	}
	tables := make(map[string][]string)
	for name, form := range forms {
		var lines []string
		for i := range imported {
			lines = append(lines, "+GET "+fmt.Sprintf(form[0], i))
		}
		for i := range written {
			lines = append(lines, "GET "+fmt.Sprintf(form[1], i))
		}
		tables[name] = lines
	}
	return tables
}

// What an imported route loses is one record, however many routes take of it.
func TestOverlapsAreNoProduct(t *testing.T) {
	for name, lines := range productTables(40, 50) {
		t.Run(name, func(t *testing.T) {
			if n := len(importedTable(t, lines...).Overlaps()); n > 40 {
				t.Errorf("%d records for 40 imported routes", n)
			}
		})
	}
}

// Four times the routes of each kind may need a little more than four times the
// memory. Pairs would need sixteen times as much.
func TestOverlapsAllocateByRoute(t *testing.T) {
	allocated := func(t *testing.T, lines []string) uint64 {
		table := importedTable(t, lines...)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		table.Overlaps()
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	few, many := productTables(200, 200), productTables(800, 800)
	for name := range few {
		t.Run(name, func(t *testing.T) {
			if a, b := allocated(t, few[name]), allocated(t, many[name]); b > 6*a {
				t.Errorf("200 of each allocate %d bytes, 800 of each %d", a, b)
			}
		})
	}
}

// The same for the places that the walks look at.
func TestOverlapsLookAtFewPlaces(t *testing.T) {
	steps := func(lines []string) int {
		x, imported := indexOf(importedTable(t, lines...))
		for _, r := range imported {
			x.Over(r)
		}
		return x.steps
	}
	few, many := productTables(200, 200), productTables(800, 800)
	for name := range few {
		if a, b := steps(few[name]), steps(many[name]); b > 5*a {
			t.Errorf("%s: %d steps for 200 of each, %d for 800 of each", name, a, b)
		}
	}
}

func indexOf(t *Table) (x *Index, imported []*Route) {
	var written []*Route
	for i := range t.routes {
		if r := &t.routes[i]; r.Imported {
			imported = append(imported, r)
		} else {
			written = append(written, r)
		}
	}
	return NewIndex(written), imported
}

// Random tables of patterns of all shapes, against every pair of their routes.
func TestOverlapsAgainstPairs(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	segments := []string{"a", "b", "A", "?", "?", "a?", "?b", "?.a", "a?b", "?a?", "b?a", "ab?", "ba?b", "ab", "a.a"}
	words := []string{"aa", "ba", "bb", "c.a", "a.b", "ca", "cab", "b.a", "acb", "b", "bcb", "a", "aab"} // more than are kept in a list
	pattern := func() string {
		var b strings.Builder
		for n := range either(r.IntN(3) == 0, 1, 1+r.IntN(4)) {
			from := either(r.IntN(3) == 0, words, segments)
			b.WriteString("/" + strings.Replace(strings.Replace(pick(from...), "?", fmt.Sprintf("{p%d}", n), 1), "?", fmt.Sprintf("{q%d}", n), 1))
		}
		return pick(b.String(), b.String(), b.String()+"/", b.String()+"/*", "/*", "/")
	}
	seen := make(map[string]int)
	for range 3000 {
		var routes []Route
		for range either(r.IntN(4) == 0, 40, 1+r.IntN(12)) {
			one := Route{Methods: strings.Split(pick("GET", "GET", "HEAD", "POST", "PUT,GET", "POST,HEAD,QUERY", "*"), ","), Pattern: pattern()}
			one.Imported = r.IntN(2) == 0
			switch r.IntN(4) {
			case 0:
				one.Access = Public
			case 1:
				one.Access = Denied
			case 2:
				one.Access, one.Cost = Authenticated, r.IntN(3)
			default:
				one.Scopes = [3]Scopes{{{"a:b", "a:c"}, {"a:d"}}, {{"a:d"}, {"a:c", "a:b"}}, {{"a:b", "a:c", "a:d"}}}[r.IntN(3)]
			}
			if _, err := NewTable(append(slices.Clone(routes), one, Route{Methods: []string{"GET"}, Pattern: "/only", Access: Public})); err == nil {
				routes = append(routes, one)
			}
		}
		table, err := NewTable(routes)
		if err != nil {
			continue // nothing but denied ones
		}
		want := slowOverlaps(table)
		if got := table.Overlaps(); !reflect.DeepEqual(got, want) {
			t.Fatalf("of %v\nfound %s\nwant  %s", routes, show(got), show(want))
		}
		for _, o := range want {
			seen[fmt.Sprint(o.Whole, o.Others > 1, o.Unlike != nil)]++
		}
	}
	for _, kind := range []string{"true true true", "true true false", "true false false", "true false true", "false true true", "false true false", "false false true", "false false false"} {
		if seen[kind] < 20 {
			t.Errorf("only %d overlaps of the kind %s", seen[kind], kind)
		}
	}
}

func either[T any](first bool, a, b T) T {
	if first {
		return a
	}
	return b
}

func show(overlaps []Overlap) string {
	var b strings.Builder
	for _, o := range overlaps {
		fmt.Fprintf(&b, "[%s by %s, whole %t, %d others, unlike %v] ", o.Imported, o.Written, o.Whole, o.Others, o.Unlike)
	}
	return b.String()
}

// slowOverlaps is what [Overlap] says, word by word.
func slowOverlaps(t *Table) (all []Overlap) {
	for i := range t.routes {
		r := &t.routes[i]
		if !r.Imported {
			continue
		}
		var some, whole, unlike []int
		for w := range t.routes {
			written := &t.routes[w]
			meets, covers := t.patterns[i].meets(&t.patterns[w])
			methods, theirs := r.requestMethods(), written.requestMethods()
			if written.Imported || !meets || methods&theirs == 0 {
				continue
			}
			some = append(some, w)
			if covers && methods&^theirs == 0 {
				whole = append(whole, w)
			}
			if !needTheSame(written, r) {
				unlike = append(unlike, w)
			}
		}
		if some == nil {
			continue
		}
		compare := func(a, b int) int { return t.patterns[a].compare(&t.patterns[b]) }
		for _, list := range [][]int{some, whole, unlike} {
			slices.SortStableFunc(list, compare)
		}
		o := Overlap{Imported: r, Written: &t.routes[some[0]], Whole: whole != nil, Others: len(some) - 1}
		place := some[0]
		if whole != nil {
			place = whole[0]
			o.Written = &t.routes[place]
		}
		o.Same = needTheSame(o.Written, r)
		if unlike != nil && o.Same {
			// Of equals the first comes before the others.
			if c := compare(unlike[0], place); whole == nil || c < 0 || c == 0 && unlike[0] < place {
				o.Unlike = &t.routes[unlike[0]]
			}
		}
		all = append(all, o)
	}
	return all
}

func needTheSame(r, o *Route) bool {
	return r.Access == o.Access && r.WebSocket == o.WebSocket && max(r.Cost, 1) == max(o.Cost, 1) && slices.EqualFunc(r.Scopes.sorted(), o.Scopes.sorted(), slices.Equal)
}

// meets reports whether some paths match both p and q, and whether all paths that
// match p also match q.
func (p *pattern) meets(q *pattern) (some, all bool) {
	n, k := len(p.segments), len(q.segments)
	switch {
	case !p.rest && !q.rest && (n != k || p.slash != q.slash),
		!p.rest && q.rest && (n <= k || p.slash),
		p.rest && !q.rest && (k <= n || q.slash):
		return false, false
	}
	all = !p.rest || q.rest && k <= n
	for i := range min(n, k) {
		a, b := &p.segments[i], &q.segments[i]
		if !a.meets(b) {
			return false, false
		}
		all = all && b.matches(a.sample())
	}
	return true, all
}

func BenchmarkOverlapsOfMany(b *testing.B) {
	for name, lines := range productTables(20_000, 5000) {
		table, err := newImportedTable(lines...)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(strings.ReplaceAll(name, " ", "_"), func(b *testing.B) {
			for b.Loop() {
				table.Overlaps()
			}
		})
	}
}
