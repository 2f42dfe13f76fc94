package apikey

import (
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

// fullKey is the key of the design's example record.
func fullKey(t *testing.T) Key {
	t.Helper()
	id, err := ParseID(testID)
	if err != nil {
		t.Fatal(err)
	}
	return Key{
		ID:        id,
		Prefix:    Prefix("patra", id),
		Hash:      HashToken(testToken),
		Workspace: "acme",
		Name:      "Zapier - product launches",
		Scopes:    []string{"media:upload", "posts:write"},
		Limits:    Limits{PerMinute: 60, PerDay: 10_000, Burst: 60},
		CreatedAt: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC),
	}
}

func TestStatus(t *testing.T) {
	before, at, after := testNow.Add(-1), testNow, testNow.Add(1)
	for _, tt := range []struct {
		name string
		set  func(*Key)
		want Status
	}{
		{"plain", func(*Key) {}, Active},
		{"expires later", func(k *Key) { k.ExpiresAt = after }, Active},
		{"expires now", func(k *Key) { k.ExpiresAt = at }, Expired},
		{"expired", func(k *Key) { k.ExpiresAt = before }, Expired},
		{"expired in 1900", func(k *Key) { k.ExpiresAt = time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC) }, Expired},
		{"expired in 1600", func(k *Key) { k.ExpiresAt = time.Date(1600, 1, 1, 0, 0, 0, 0, time.UTC) }, Expired},
		{"expired in 1970", func(k *Key) { k.ExpiresAt = time.Unix(0, 0) }, Expired},
		{"expires in 2263", func(k *Key) { k.ExpiresAt = time.Date(2263, 1, 1, 0, 0, 0, 0, time.UTC) }, Active},
		{"expires in 9999", func(k *Key) { k.ExpiresAt = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC) }, Active},
		{"disabled", func(k *Key) { k.Disabled = true }, Disabled},
		{"disabled and expired", func(k *Key) { k.Disabled, k.ExpiresAt = true, before }, Disabled},
		{"revoked", func(k *Key) { k.RevokedAt = before }, Revoked},
		{"revoked and disabled", func(k *Key) { k.RevokedAt, k.Disabled = before, true }, Revoked},
		{"revoked and expired", func(k *Key) { k.RevokedAt, k.ExpiresAt = before, before }, Revoked},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := fullKey(t)
			tt.set(&k)
			g, err := k.Grant()
			if err != nil {
				t.Fatal(err)
			}
			if ofKey, ofGrant := k.Status(testNow), g.Status(testNow); ofKey != tt.want || ofGrant != tt.want {
				t.Errorf("status of the key %s, of its grant %s; want %s", ofKey, ofGrant, tt.want)
			}
		})
	}
}

func TestStatuses(t *testing.T) {
	if got := Statuses(); !slices.Equal(got, []Status{"active", "disabled", "expired", "revoked"}) {
		t.Errorf("statuses %q", got)
	}
}

func TestGrant(t *testing.T) {
	k := fullKey(t)
	g, err := k.Grant()
	if err != nil {
		t.Fatal(err)
	}
	if g.Places != nil {
		t.Errorf("Places = %+v for a key without places", g.Places)
	}
	if !g.Hash.Equal(k.Hash) || g.Limits != k.Limits || g.Workspace != "acme" || g.Scopes.Joined != "media:upload posts:write" {
		t.Errorf("got %+v", g)
	}

	k.AllowedOrigins = []string{"https://shop.example", "https://*.b.example"}
	g, err = k.Grant()
	if err != nil || g.Places == nil || len(g.Places.Origins) != 2 || len(g.Places.IPs) != 0 || !g.Places.Origins[1].Matches("https://a.b.example") {
		t.Errorf("got %+v, %v", g.Places, err)
	}
	k.AllowedOrigins, k.AllowedIPs = nil, []string{"203.0.113.0/24"}
	g, err = k.Grant()
	if err != nil || g.Places == nil || len(g.Places.Origins) != 0 || len(g.Places.IPs) != 1 || g.Places.IPs[0].String() != "203.0.113.0/24" {
		t.Errorf("got %+v, %v", g.Places, err)
	}
}

func TestGrantFailsOnDamage(t *testing.T) {
	for want, damage := range map[string]func(*Key){
		`key 7Hk2Qp9aX3bC: allowed_origins: "shop.example" has no scheme (did you mean https://shop.example?)`: func(k *Key) { k.AllowedOrigins = []string{"shop.example"} },
		`key 7Hk2Qp9aX3bC: allowed_ips: "203.0.113.7/24" has host bits (did you mean 203.0.113.0/24?)`:         func(k *Key) { k.AllowedIPs = []string{"203.0.113.7/24"} },
	} {
		k := fullKey(t)
		damage(&k)
		g, err := k.Grant()
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		if g.Hash != (Hash{}) || g.Scopes != nil {
			t.Error("a grant was returned as well")
		}
	}
}

func TestRecordJSON(t *testing.T) {
	later := time.Date(2026, 12, 1, 13, 0, 0, 999, time.FixedZone("", 3600))
	full := fullKey(t)
	full.Description = "für Übersee"
	full.ExpiresAt, full.RevokedAt = later.Add(time.Hour), later.Add(2*time.Hour)
	full.AllowedOrigins, full.AllowedIPs = []string{"https://shop.example"}, []string{"203.0.113.7", "10.0.0.0/8"}
	full.RotatedFrom, full.ReplacedBy = ID([]byte("000000000000")), ID([]byte("zzzzzzzzzzzz"))
	full.CreatedBy = "Ada"

	for _, tt := range []struct {
		name     string
		key      Key
		lastUsed time.Time
		want     string
	}{
		{
			"as in the design", fullKey(t),
			time.Time{},
			`{"id":"7Hk2Qp9aX3bC","prefix":"patra_7Hk2Qp9aX3bC","workspace":"acme","name":"Zapier - product launches",` +
				`"description":"","scopes":["media:upload","posts:write"],"status":"active",` +
				`"created_at":"2026-11-23T10:00:00Z","created_by":"","expires_at":null,"revoked_at":null,"last_used_at":null,` +
				`"limits":{"per_minute":60,"per_day":10000,"burst":60},` +
				`"allowed_origins":[],"allowed_ips":[],"rotated_from":"","replaced_by":""}`,
		},
		{
			"everything set", full, later,
			`{"id":"7Hk2Qp9aX3bC","prefix":"patra_7Hk2Qp9aX3bC","workspace":"acme","name":"Zapier - product launches",` +
				`"description":"für Übersee","scopes":["media:upload","posts:write"],"status":"revoked",` +
				`"created_at":"2026-11-23T10:00:00Z","created_by":"Ada","expires_at":"2026-12-01T13:00:00Z","revoked_at":"2026-12-01T14:00:00Z","last_used_at":"2026-12-01T12:00:00Z",` +
				`"limits":{"per_minute":60,"per_day":10000,"burst":60},` +
				`"allowed_origins":["https://shop.example"],"allowed_ips":["203.0.113.7","10.0.0.0/8"],"rotated_from":"000000000000","replaced_by":"zzzzzzzzzzzz"}`,
		},
		{
			"nothing set",
			Key{},
			time.Time{},
			`{"id":"","prefix":"","workspace":"","name":"","description":"","scopes":[],"status":"active",` +
				`"created_at":"0001-01-01T00:00:00Z","created_by":"","expires_at":null,"revoked_at":null,"last_used_at":null,` +
				`"limits":{"per_minute":0,"per_day":0,"burst":0},` +
				`"allowed_origins":[],"allowed_ips":[],"rotated_from":"","replaced_by":""}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := json.Marshal(tt.key.Record(testNow, tt.lastUsed))
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tt.want {
				t.Errorf(" got %s\nwant %s", got, tt.want)
			}
			if strings.Contains(string(got), hex.EncodeToString(tt.key.Hash[:])) {
				t.Error("the record shows the hash")
			}
			var back Record
			if err := json.Unmarshal(got, &back); err != nil {
				t.Fatal(err)
			}
			if again, err := json.Marshal(back); err != nil || string(again) != tt.want {
				t.Errorf("read and written again: %s, %v", again, err)
			}
		})
	}
}

func TestDayOf(t *testing.T) {
	for at, want := range map[string]string{
		"2026-11-23T00:00:00Z":      "2026-11-23",
		"2026-11-23T23:59:59Z":      "2026-11-23",
		"2026-11-23T00:30:00+01:00": "2026-11-22",
		"1970-01-01T00:00:00Z":      "1970-01-01",
		"1969-12-31T23:59:59Z":      "1969-12-31",
		"1969-12-31T00:00:00Z":      "1969-12-31",
	} {
		instant, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := DayOf(instant); got.Start().Unix() != int64(got)*86_400 {
			t.Errorf("day %d begins at %v", got, got.Start())
		}
		if got := DayOf(instant); got.String() != want || DayOf(got.Start()) != got {
			t.Errorf("DayOf(%s) = %s, want %s", at, got, want)
		}
	}
}
