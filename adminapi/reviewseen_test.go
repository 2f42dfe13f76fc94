package adminapi

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// What the store has seen of a key for a hundred days is what the review tells of it,
// and nothing a day before it was watched for long enough.
func TestReviewOfWhatTheStoreHasSeen(t *testing.T) {
	store, err := keystore.OpenBolt(filepath.Join(t.TempDir(), "keys.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	made := time.Now().UTC().Truncate(time.Second)
	k := apikey.Key{
		Workspace: "acme", Name: "a", Scopes: []string{"posts:read", "posts:write"}, CreatedAt: made, ExpiresAt: made.Add(365 * day),
		Limits: apikey.Limits{PerMinute: 60, PerDay: 60, Burst: 60},
	}
	token, id, hash := apikey.Generate("patra")
	k.SetToken("patra", id, hash)
	if err := store.Create(k, keystore.Actor{At: made}); err != nil {
		t.Fatal(err)
	}
	network := netip.MustParseAddr("203.0.113.7")
	for days := range 101 {
		on := apikey.DayOf(made) + apikey.Day(days)
		seen := &apikey.Sighting{Scopes: apikey.NewScopeSet(k.Scopes), Needed: 1, Network: apikey.NetworkOf(network)}
		if err := store.SaveUsage([]apikey.Usage{{ID: id, Day: on, Charged: 9, Allowed: 9, LastUsed: on.Start().Unix(), Seen: seen}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	for days, want := range map[int][]string{29: nil, 89: {"one_network"}, 90: {"unused_scope", "one_network"}, 100: {"unused_scope", "one_network"}} {
		api := New(Options{Store: store, Brand: "patra", Now: func() time.Time { return apikey.DayOf(made).Start().Add(time.Duration(days) * day).Add(23 * time.Hour) }})
		w := httptest.NewRecorder()
		api.ServeHTTP(w, httptest.NewRequest(http.MethodGet, ReviewPath, nil))
		body := w.Body.String()
		for _, code := range []string{"unused_scope", "one_network", "never_used", "idle"} {
			told := false
			for _, expected := range want {
				told = told || expected == code
			}
			if strings.Contains(body, `"`+code+`"`) != told {
				t.Errorf("after %d days, %s: %s", days, code, body)
			}
		}
		if len(want) > 0 && !strings.Contains(body, `"203.0.113.0/24"`) || strings.Contains(body, `"posts:write"`) != (len(want) > 1) || strings.Contains(body, token) {
			t.Errorf("after %d days: %s", days, body)
		}
	}
}
