package adminapi

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/apikey"
)

func TestAPIUsage(t *testing.T) {
	s := serveAPI(t)
	id, made, etag := s.create()
	s.send(keyURL("GET", id, "/usage"), "").want(t, 200, `{"days":[]}`)
	today := apikey.DayOf(apiStart)
	for _, u := range []apikey.Usage{
		{Day: today - 400, Allowed: 1},
		{Day: today - 399, Allowed: 2},
		{Day: today - 29, Allowed: 3},
		{Day: today - 1, Charged: 7}, // for its successors
		{Day: today, Allowed: 812, Limited: 3, Denied: 1, LastUsed: apiStart.Unix()},
	} {
		u.ID = made.Key.ID
		if u.Day == today {
			s.unsaved.Store(&[]apikey.Usage{u}) // only in memory
		} else if err := s.store.SaveUsage([]apikey.Usage{u}, nil); err != nil {
			t.Fatal(err)
		}
	}
	const last = `{"date":"2026-11-23","allowed":812,"limited":3,"denied":1}`
	for query, want := range map[string][]string{
		"":          {"2026-10-25"},
		"?days=1":   nil,
		"?days=30":  {"2026-10-25"},
		"?days=29":  nil,
		"?days=400": {"2025-10-20", "2026-10-25"},
	} {
		got := s.send(keyURL("GET", id, "/usage"+query), "").want(t, 200, last)
		var resp UsageResponse
		if err := json.Unmarshal([]byte(got.body), &resp); err != nil {
			t.Fatal(err)
		}
		var dates []string
		for _, day := range resp.Days[:len(resp.Days)-1] {
			dates = append(dates, day.Date)
		}
		if !slices.Equal(dates, want) {
			t.Errorf("%s: %v before today, want %v", query, dates, want)
		}
	}
	for _, query := range []string{"?days=0", "?days=401", "?days=x", "?day=1"} {
		s.send(keyURL("GET", id, "/usage"+query), "").want(t, 400, "day")
	}
	shown := s.send(keyURL("GET", id), "").want(t, 200, `"last_used_at":"2026-11-23T10:00:00Z"`)
	if shown.etag != etag {
		t.Error("use changes the ETag")
	}
}

// What is only in memory yet is in every answer that tells of use.
func TestAPIShowsUseThatIsNotSaved(t *testing.T) {
	for _, request := range []string{"GET /keygate/keys", "GET /keygate/export", "GET /keygate/keys/ID", "POST /keygate/keys/ID/disable"} {
		t.Run(request, func(t *testing.T) {
			s := serveAPI(t)
			id, made, _ := s.create()
			s.unsaved.Store(&[]apikey.Usage{{ID: made.Key.ID, Day: apikey.DayOf(apiStart), Allowed: 1, LastUsed: apiStart.Unix()}})
			s.send(strings.Replace(request, "ID", id, 1), "").want(t, 200, `"last_used_at":"2026-11-23T10:00:00Z"`)
		})
	}
}
