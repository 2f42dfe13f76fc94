package console

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// Each filter and order of the list shows the keys that it says.
func TestListFilters(t *testing.T) {
	s := newSite(t)
	s.has(1, named("bravo"), ending(start.Add(120*day)), func(k *apikey.Key) { k.CreatedBy = "ada" })
	used := s.has(2, named("Alpha"))
	s.wait(time.Minute)
	s.has(3, named("charlie"), ending(start.Add(115*day)), holding("invoices:read"))
	s.used(used, 1, 0, 0)
	s.wait(100 * 24 * time.Hour)
	s.used(s.has(4, named("delta")), 1, 0, 0)
	for query, want := range map[string]string{
		"":                           "Alpha bravo charlie delta",
		"?sort=created":              "bravo Alpha charlie delta",
		"?sort=expires":              "charlie bravo Alpha delta",
		"?filter=expiring":           "bravo charlie",
		"?filter=idle":               "Alpha bravo charlie",
		"?filter=never_used":         "bravo charlie",
		"?filter=no_expiry":          "Alpha delta",
		"?filter=no_expiry&q=ALPH":   "Alpha",
		"?scope=invoices:read":       "charlie",
		"?created_by=ada":            "bravo",
		"?q=r":                       "bravo charlie",
		"?q=patra_Key000000003":      "charlie",
		"?q=Key000000003":            "charlie",
		"?q=nothing":                 "",
		"?filter=&status=":           "Alpha bravo charlie delta",
		"?status=active&sort=name":   "Alpha bravo charlie delta",
		"?sort=created&created_by=x": "",
	} {
		var names []string
		got := s.get("/" + query).want(http.StatusOK)
		for _, row := range rows(got) {
			name, _, _ := strings.Cut(row, " ")
			names = append(names, name)
		}
		if !slices.Equal(names, strings.Fields(want)) {
			t.Errorf("%s: %q, want %s", query, names, want)
		}
		if narrow := got.byTest("empty") != ""; narrow != (want == "") {
			t.Errorf("%s says that it is empty: %t", query, narrow)
		}
	}
	for _, query := range []string{"?sort=wrong", "?scope=wrong", "?filter=wrong", "?filter=expiring,idle", "?q=" + strings.Repeat("x", 101)} {
		s.get("/"+query).want(http.StatusUnprocessableEntity, "What works:")
	}
	if order := rows(s.get("/?sort=last-used")); len(order) != 4 || !strings.HasPrefix(order[3], "delta") {
		t.Errorf("longest unused first: %q", order)
	}
}
