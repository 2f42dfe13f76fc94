package adminapi

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/socialpatra/keygate/keystore"
)

// A caller of one workspace sees each of its keys once, page by page, in every
// order and with every filter, whether the workspace is named or not. No cursor
// leads to keys of others.
func TestPagesWithinAnAuthority(t *testing.T) {
	w := newWorld(t)
	const own = 7
	for i := range 2 * own {
		body := fmt.Sprintf(`{"workspace":%q,"name":"Key %d","scopes":["posts:read"],"expires_in_days":%d}`, []string{"acme", "globex"}[i%2], i/2, 20+i)
		if status, answer := w.do(nil, "POST "+KeysPath, body, ""); status != http.StatusCreated {
			t.Fatal(answer)
		}
	}
	a := &Authority{Workspace: "acme", Actor: "Ada", May: Verbs()}
	orders := []string{""}
	for _, order := range keystore.Sorts() {
		orders = append(orders, "&sort="+string(order))
	}
	for _, order := range orders {
		for _, filter := range []string{"", "&status=active", "&name=key", "&expiring=90d", "&never_used=true", "&scope=posts:read"} {
			for _, workspace := range []string{"", "&workspace=acme"} {
				query := KeysPath + "?limit=3" + order + filter + workspace
				seen := make(map[string]bool)
				cursor := ""
				for page := 0; page == 0 || cursor != ""; page++ {
					target := query
					if cursor != "" {
						target += "&cursor=" + url.QueryEscape(cursor)
					}
					answer := w.api.Do(a, httptest.NewRequest(http.MethodGet, target, nil))
					list, ok := answer.Body.(ListResponse)
					if !ok || page > own {
						t.Fatalf("%s, page %d: %d %v", query, page+1, answer.Status, answer.Err)
					}
					for i := range list.Keys {
						k := &list.Keys[i]
						if seen[k.ID.String()] || k.Workspace != "acme" {
							t.Errorf("%s: %s of %s, there already: %t", query, k.ID, k.Workspace, seen[k.ID.String()])
						}
						seen[k.ID.String()] = true
					}
					cursor = list.NextCursor
				}
				if len(seen) != own {
					t.Errorf("%s shows %d keys of %d", query, len(seen), own)
				}
			}
		}
	}
}
