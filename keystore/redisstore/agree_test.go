//go:build fleet

package redisstore

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis/redistest"
	"github.com/socialpatra/keygate/keystore"
)

// agrees waits until all that a store knows of its keys agrees with itself.
func agrees(t testing.TB, s *Store) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(redistest.Patience); ; time.Sleep(5 * time.Millisecond) {
		if err = disagreement(s); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s: %v", redistest.Patience, err)
		}
	}
}

// disagreement says where records, lists, status sets, counts and the trail
// differ: first of all, what Check finds.
func disagreement(s *Store) (err error) {
	if _, failed := s.Check(func(name string, problem error) {
		if err == nil {
			err = fmt.Errorf("check: %s: %w", name, problem)
		}
	}); failed != nil || err != nil {
		return firstOf(failed, err)
	}
	all, err := allKeys(s, "")
	if err != nil {
		return err
	}
	records := 0
	if err := s.conn.Scan(s.names.record, func(names []string) error { records += len(names); return nil }); err != nil {
		return err
	}
	if records != len(all) {
		return fmt.Errorf("%d keys are listed, and %d have a record", len(all), records)
	}
	counts, counted := s.Counts(by.At), make(map[apikey.Status]int)
	for _, k := range all {
		counted[k.Status(by.At)]++
	}
	for _, status := range apikey.Statuses() {
		listed, err := allKeys(s, status)
		if err != nil {
			return err
		}
		if counts[status] != counted[status] || len(listed) != counted[status] {
			return fmt.Errorf("%s: %d by the metrics, %d listed, %d by the records", status, counts[status], len(listed), counted[status])
		}
	}
	return trailDisagrees(s, all)
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func allKeys(s *Store, status apikey.Status) (map[apikey.ID]apikey.Key, error) {
	all := make(map[apikey.ID]apikey.Key)
	for q := (keystore.Query{Status: status, Now: by.At, Limit: keystore.MaxPage}); ; {
		page, err := s.List(q)
		if err != nil {
			return nil, err
		}
		for _, k := range page.Keys {
			all[k.ID] = k
		}
		if q.After = page.Next; q.After.IsZero() {
			return all, nil
		}
	}
}

// trailDisagrees plays the trail from its beginning: each change has to begin
// where the one before it has ended, and the last has to end at the records.
func trailDisagrees(s *Store, records map[apikey.ID]apikey.Key) error {
	played := make(map[apikey.ID]map[string]string)
	err := s.eachAudit(func(member string) error {
		e, err := decodeAudit(member)
		if err != nil || e.Key.IsZero() {
			return err
		}
		k := played[e.Key]
		if k == nil {
			k = make(map[string]string)
			played[e.Key] = k
		}
		creates := e.Action == "create" || e.Action == "import"
		if creates != (len(k) == 0) {
			return fmt.Errorf("entry %d: %s of key %s, which has %d fields", e.Seq, e.Action, e.Key, len(k))
		}
		for field, change := range e.Changes {
			from := inJSON(change.From)
			if was, ok := k[field]; ok && was != from { // a creation does not name what is not set
				return fmt.Errorf("entry %d: %s of key %s: %s was %s and not %s", e.Seq, e.Action, e.Key, field, was, from)
			}
			k[field] = inJSON(change.To)
		}
		if e.Action == "delete" {
			delete(played, e.Key)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for id, fields := range played {
		k, ok := records[id]
		if !ok {
			return fmt.Errorf("key %s is in the trail alone", id)
		}
		text, err := json.Marshal(k.Record(by.At, time.Time{}))
		if err != nil {
			return err
		}
		var record map[string]any
		if err := json.Unmarshal(text, &record); err != nil {
			return err
		}
		for field, value := range fields {
			if have := inJSON(record[field]); have != value {
				return fmt.Errorf("key %s: %s is %s, and %s by the trail", id, field, have, value)
			}
		}
	}
	for _, id := range slices.Collect(maps.Keys(records)) {
		if played[id] == nil {
			return fmt.Errorf("key %s is not in the trail", id)
		}
	}
	return nil
}

func inJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
