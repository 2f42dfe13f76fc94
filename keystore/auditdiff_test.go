package keystore

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// What is put together by hand is what encoding/json makes of the same.
func TestEncodeAudit(t *testing.T) {
	full := testKey(t)
	full.Name, full.Description = "Müller & Söhne <3 \"\\\u2028", "d"
	other := full
	other.Limits.PerDay, other.Disabled = 7, true
	by := Actor{At: time.Date(2026, 11, 24, 10, 0, 0, 1000, time.FixedZone("", 3600)), Via: "unix /run/\"caddy\"\n<.sock", Reason: "leaked <\">"}
	for _, tt := range []struct {
		name     string
		from, to *apikey.Key
		want     []string // fields that change
	}{
		{"created", nil, &full, nil},
		{"deleted", &full, nil, nil},
		{"changed", &full, &other, []string{"limits", "status"}},
		{"the same", &full, &full, []string{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			changed, err := changes(tt.from, tt.to, by.At)
			if err != nil {
				t.Fatal(err)
			}
			entry := by.Entry(`a"b`, full.ID)
			entry.Seq = 1<<64 - 1
			value, err := encodeAudit(entry, changed)
			if err != nil {
				t.Fatal(err)
			}
			got := value[sealLen:]

			var raw map[string]struct{ From, To json.RawMessage }
			if len(changed) > 0 {
				if err := json.Unmarshal(changed, &raw); err != nil {
					t.Fatal(err)
				}
				entry.Changes = make(map[string]Change)
			}
			for name, c := range raw {
				if tt.from == nil && string(c.From) != "null" || tt.to == nil && string(c.To) != "null" {
					t.Errorf("%s changes from %s to %s", name, c.From, c.To)
				}
				entry.Changes[name] = Change{c.From, c.To}
			}
			if names := slices.Sorted(maps.Keys(raw)); tt.want != nil && !slices.Equal(names, tt.want) {
				t.Errorf("%q change, want %q", names, tt.want)
			}
			if want, err := json.Marshal(entry); err != nil || !bytes.Equal(got, want) {
				t.Errorf("\ngot  %s\nwant %s (%v)", got, want, err)
			}
		})
	}
}
