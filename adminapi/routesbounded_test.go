package adminapi

import (
	"encoding/json"
	"fmt"
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
