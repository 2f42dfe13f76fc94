package access

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestOverlaps(t *testing.T) {
	for name, test := range map[string]struct {
		routes []string // see importedTable
		want   []string // "imported < written, +2", with << for the whole of it
	}{
		"nothing imported":               {[]string{"GET /a", "* /{x}"}, nil},
		"nothing written":                {[]string{"+GET /a", "+GET /{x}"}, nil},
		"the same":                       {[]string{"GET /a", "+GET /a"}, []string{"GET /a << GET /a"}},
		"other names":                    {[]string{"GET /{x}", "+GET /{y}"}, []string{"GET /{y} << GET /{x}"}},
		"another literal":                {[]string{"GET /a", "+GET /b"}, nil},
		"another case":                   {[]string{"GET /A", "+GET /a"}, nil},
		"the right one of two cases":     {[]string{"GET /A", "PUT,GET /a", "+GET /a"}, []string{"GET /a << PUT,GET /a"}},
		"literal of a name":              {[]string{"GET /me", "+GET /{id}"}, []string{"GET /{id} < GET /me"}},
		"name of a literal":              {[]string{"GET /{id}", "+GET /me"}, []string{"GET /me << GET /{id}"}},
		"crossing":                       {[]string{"GET /{x}/b", "+GET /a/{y}"}, []string{"GET /a/{y} < GET /{x}/b"}},
		"longer":                         {[]string{"GET /a/b", "+GET /a"}, nil},
		"shorter":                        {[]string{"GET /a", "+GET /a/b"}, nil},
		"a slash at the end":             {[]string{"GET /a/", "+GET /a"}, nil},
		"both with a slash":              {[]string{"GET /{x}/", "+GET /a/"}, []string{"GET /a/ << GET /{x}/"}},
		"the root":                       {[]string{"GET /", "GET /*", "+GET /"}, []string{"GET / << GET /"}},
		"below a star":                   {[]string{"GET /a/*", "+GET /a", "+GET /a/b/c", "+GET /a/b/"}, []string{"GET /a/b/c << GET /a/*"}},
		"of a star":                      {[]string{"GET /a", "GET /a/b", "GET /a/b/", "+GET /a/*"}, []string{"GET /a/* < GET /a/b"}},
		"a star of a name":               {[]string{"GET /{x}/*", "+GET /*"}, []string{"GET /* < GET /{x}/*"}},
		"a name for one of a star":       {[]string{"GET /a/{x}", "+GET /a/*"}, []string{"GET /a/* < GET /a/{x}"}},
		"a star and a narrower star":     {[]string{"GET /*", "+GET /a/*"}, []string{"GET /a/* << GET /*"}},
		"other methods":                  {[]string{"POST,PUT /a", "+GET /a"}, nil},
		"one of several methods":         {[]string{"POST,PUT /a", "+PUT /a"}, []string{"PUT /a << POST,PUT /a"}},
		"any method":                     {[]string{"* /a", "+OPTIONS /a", "+GET /a"}, []string{"OPTIONS /a << * /a", "GET /a << * /a"}},
		"HEAD of a written GET":          {[]string{"GET /a", "+HEAD /a"}, []string{"HEAD /a << GET /a"}},
		"HEAD of an imported GET":        {[]string{"HEAD /a", "+GET /a"}, []string{"GET /a < HEAD /a"}},
		"HEAD and GET, of two":           {[]string{"HEAD /a", "GET /a", "+GET /a"}, []string{"GET /a << GET /a, +1"}},
		"the most specific of two":       {[]string{"GET /{x}/{y}", "GET /a/{y}", "GET /*", "+GET /a/{b}"}, []string{"GET /a/{b} << GET /a/{y}, +2"}},
		"the whole one, not the first":   {[]string{"GET /a/b", "GET /a/*", "+GET /a/{b}"}, []string{"GET /a/{b} << GET /a/*, +1"}},
		"the first of equals":            {[]string{"GET /b", "GET /a", "+GET /{x}"}, []string{"GET /{x} < GET /b, +1"}},
		"the order is that of the table": {[]string{"GET /{x}/b", "+GET /a/{y}", "GET /a/*", "+GET /a/b", "GET /a/b"}, []string{"GET /a/{y} << GET /a/*, +2", "GET /a/b << GET /a/b, +2"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, o := range importedTable(t, test.routes...).Overlaps() {
				sign := " < "
				if o.Whole {
					sign = " << "
				}
				if !o.Imported.Imported || o.Written.Imported {
					t.Errorf("%s is called imported, and %s written", o.Imported, o.Written)
				}
				line := o.Imported.String() + sign + o.Written.String()
				if o.Others > 0 {
					line += fmt.Sprintf(", +%d", o.Others)
				}
				got = append(got, line)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("Overlaps = %q, want %q", got, test.want)
			}
		})
	}
}

func TestOverlapsPointIntoTheTable(t *testing.T) {
	table := importedTable(t, "GET /a/*", "+GET /a/b", "+GET /{x}/b")
	for _, o := range table.Overlaps() {
		if o.Written != table.Match("GET", "/a/b") {
			t.Errorf("Written is another %s", o.Written)
		}
		if o.Imported.Pattern == "/{x}/b" && o.Imported != table.Match("GET", "/c/b") {
			t.Errorf("Imported is another %s", o.Imported)
		}
	}
}

// segmentLists returns all lists of at least and at most so many of the texts.
func segmentLists(from, to int, texts ...string) []string {
	var lists []string
	last := []string{""}
	for n := 0; n <= to; n++ {
		if n >= from {
			lists = append(lists, last...)
		}
		var next []string
		for _, list := range last {
			for _, text := range texts {
				next = append(next, list+"/"+strings.ReplaceAll(text, "?", fmt.Sprintf("{p%d}", n)))
			}
		}
		last = next
	}
	return lists
}

// Every pair of small patterns, each with some pairs of methods, against what
// two tables of one route each say of all requests there are for them.
func TestOverlapsAgainstMatch(t *testing.T) {
	patterns := []string{"/", "/*"}
	for _, p := range segmentLists(1, 2, "a", "b", "?", "?.b", "a?") {
		patterns = append(patterns, p, p+"/", p+"/*")
	}
	// One more segment than a pattern has, and texts of each kind.
	paths := []string{"/"}
	for _, p := range segmentLists(1, 3, "a", "b", "c", "a.b", "c.b", "ac") {
		paths = append(paths, p, p+"/")
	}
	matched := make(map[string][]bool)
	requestsOf := func(line string) []bool {
		requests, ok := matched[line]
		if !ok {
			table := importedTable(t, line)
			for _, m := range []string{"GET", "HEAD", "POST", "OPTIONS"} {
				for _, p := range paths {
					requests = append(requests, table.Match(m, p) != nil)
				}
			}
			matched[line] = requests
		}
		return requests
	}

	r := rand.New(rand.NewPCG(3, 4))
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	counts := make(map[string]int)
	for _, wp := range patterns {
		for _, ip := range patterns {
			w, i := pick("GET", "GET", "*", "HEAD", "POST,GET")+" "+wp, "+"+pick("GET", "GET", "HEAD", "POST")+" "+ip
			some, whole := false, true
			ofW := requestsOf(w)
			for n, wanted := range requestsOf(i) {
				some = some || wanted && ofW[n]
				whole = whole && (!wanted || ofW[n])
			}
			got := importedTable(t, w, i).Overlaps()
			if (len(got) == 1) != some || some && got[0].Whole != whole {
				t.Fatalf("%s takes from %s: %+v; want any: %t, whole: %t", w, i, got, some, whole)
			}
			counts[fmt.Sprint(some, whole)]++
		}
	}
	for _, kind := range []string{"false false", "true false", "true true"} {
		if counts[kind] < 300 {
			t.Errorf("only %d of the kind %s", counts[kind], kind)
		}
	}
}

func BenchmarkOverlaps(b *testing.B) {
	routes := manyRoutes(10_000)
	for i := range routes {
		routes[i].Methods, routes[i].Imported = routes[i].Methods[:1], true
	}
	for i := range 100 {
		resource := fmt.Sprintf("/v1/resource%d", 7*i)
		routes = append(routes, parseRoutes("* "+resource+"/{id}\nGET "+resource+"/stats/daily\nGET /v1/{any}"+resource)...)
	}
	table := mustTable(b, routes...)
	b.ReportAllocs()
	for b.Loop() {
		if n := len(table.Overlaps()); n < 300 {
			b.Fatalf("only %d overlaps", n)
		}
	}
}

// Every pair of segments with names and texts, against all short segments.
func TestSegmentsMeet(t *testing.T) {
	var patterns, texts []string
	for _, a := range []string{"", "a", "b", "ab", "aa", "a.a"} {
		if a != "" {
			patterns = append(patterns, a)
		}
		for _, b := range []string{"", "a", "b", "ba"} {
			patterns = append(patterns, a+"{x}"+b)
			for _, between := range []string{"a", "b", ".", "aa"} {
				patterns = append(patterns, a+"{x}"+between+"{y}"+b)
			}
		}
	}
	for n := range 4 {
		texts = append(texts, segmentLists(n+1, n+1, "a", "b", ".", "c")...)
	}
	for i, text := range texts {
		texts[i] = strings.ReplaceAll(text, "/", "")
	}
	parse := func(text string) segment {
		s, _, problem := parseSegment(text, asWritten)
		if problem != "" {
			t.Fatal(problem)
		}
		return s
	}
	for _, one := range patterns {
		for _, other := range patterns {
			p, q := parse(one), parse(other)
			some, all := p.meets(&q), q.matches(p.sample())
			found, missed := false, ""
			for _, text := range texts {
				if p.matches(text) {
					found = found || q.matches(text)
					if !q.matches(text) {
						missed = text
					}
				}
			}
			if both := bothMatch(&p, &q); some && both == "" || both != "" && (!p.matches(both) || !q.matches(both)) {
				t.Fatalf("%s meets %s: %t, but %q is not in both", one, other, some, both)
			}
			// The texts are short: that none is of both proves nothing.
			if found && !some || all && missed != "" {
				t.Fatalf("%s of %s: meets says %t, %t; %q is not", one, other, some, all, missed)
			}
			if back := q.meets(&p); back != some {
				t.Fatalf("%s meets %s: %t; the other way round %t", one, other, some, back)
			}
		}
	}
}

// bothMatch makes a text that two segments match, if there is one.
func bothMatch(p, q *segment) string {
	switch {
	case p.isLiteral() && q.matches(p.text):
		return p.text
	case q.isLiteral() && p.matches(q.text):
		return q.text
	case p.isLiteral() || q.isLiteral():
		return ""
	}
	longer := func(a, b string, begins func(string, string) bool) (string, bool) {
		if len(a) < len(b) {
			a, b = b, a
		}
		return a, begins(a, b)
	}
	last := func(s *segment) int { return len(s.texts) - 1 }
	front, ok := longer(p.texts[0], q.texts[0], strings.HasPrefix)
	end, ok2 := longer(p.texts[last(p)], q.texts[last(q)], strings.HasSuffix)
	if !ok || !ok2 {
		return ""
	}
	middle := slices.Concat([]string{front}, p.texts[1:last(p)], q.texts[1:last(q)], []string{end})
	return strings.Join(middle, "c")
}
