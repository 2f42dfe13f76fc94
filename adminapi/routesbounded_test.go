package adminapi

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"

	"github.com/socialpatra/keygate/access"
)

// Twice the written routes make a list twice as long, not each line of it.
func TestRoutesOfAreNoProduct(t *testing.T) {
	size := func(imported, written int) int {
		var routes []access.Route
		for i := range imported {
			routes = append(routes, access.Route{Methods: []string{"GET"}, Pattern: fmt.Sprintf("/{a}/x%04d", i), Access: access.Authenticated, Source: fmt.Sprintf("api.yaml:%04d", i), Imported: true})
		}
		for i := range written {
			routes = append(routes, access.Route{Methods: []string{"GET"}, Pattern: fmt.Sprintf("/y%04d/{b}", i), Access: access.Authenticated, Source: fmt.Sprintf("Caddyfile:%04d", i)})
		}
		table, err := access.NewTable(routes)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(RoutesOf([]Mapping{{Policy: access.Policy{Table: table}}}))
		if err != nil {
			t.Fatal(err)
		}
		return len(text)
	}
	both, alone := size(100, 100), size(100, 1)+size(1, 100)
	if both > alone*3/2 {
		t.Errorf("100 routes of each kind are %d bytes; a hundred of one kind and then of the other %d", both, alone)
	}
}

// Of the routes that come before an imported one two are named at most: the one
// that decides, and one that needs something else.
func TestRoutesOfNameTheRouteThatDecides(t *testing.T) {
	source := func(n int) string { return fmt.Sprintf("Caddyfile:%d", n) }
	for name, test := range map[string]struct {
		written map[string]access.Access // by pattern "/1", "/2" and so on, whose source has the number
		want    takenBy
		whole   bool
	}{
		"none":                {nil, takenBy{}, false},
		"one":                 {map[string]access.Access{"/1": access.Authenticated}, takenBy{[]string{source(1)}, 0}, false},
		"another need":        {map[string]access.Access{"/1": access.Public}, takenBy{[]string{source(1)}, 0}, false},
		"three alike":         {map[string]access.Access{"/1": access.Authenticated, "/2": access.Authenticated, "/3": access.Authenticated}, takenBy{[]string{source(1)}, 2}, false},
		"one of three unlike": {map[string]access.Access{"/1": access.Authenticated, "/2": access.Authenticated, "/3": access.Public}, takenBy{[]string{source(1), source(3)}, 1}, false},
		"a whole one":         {map[string]access.Access{"/1": access.Authenticated, "/2": access.Authenticated, "/{x}": access.Authenticated}, takenBy{[]string{source(0)}, 2}, true},
	} {
		t.Run(name, func(t *testing.T) {
			routes := []access.Route{
				{Methods: []string{"GET"}, Pattern: "/{id}", Access: access.Authenticated, Source: "api.yaml:1", Imported: true},
				{Methods: []string{"POST"}, Pattern: "/elsewhere", Access: access.Public, Source: "Caddyfile:9"},
			}
			for n, pattern := range []string{"/{x}", "/1", "/2", "/3"} {
				if need, ok := test.written[pattern]; ok {
					routes = append(routes, access.Route{Methods: []string{"GET"}, Pattern: pattern, Access: need, Source: source(n)})
				}
			}
			table, err := access.NewTable(routes)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range RoutesOf([]Mapping{{Policy: access.Policy{Table: table}}}).Routes {
				if r.Imported && (!reflect.DeepEqual(r.takenBy, test.want) || r.NotReached != test.whole) {
					t.Errorf("%+v, %t; want %+v, %t", r.takenBy, r.NotReached, test.want, test.whole)
				}
			}
		})
	}
}
