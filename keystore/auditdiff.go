package keystore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// changes compares two keys field by field as their JSON records show them at
// one instant, which hold neither token nor hash. A nil key is one that does
// not exist: all that is set changes from or to null.
func changes(from, to *apikey.Key, at time.Time) (map[string]Change, error) {
	before, err := recordFields(from, at)
	if err != nil {
		return nil, err
	}
	after, err := recordFields(to, at)
	if err != nil {
		return nil, err
	}
	return compare(before, after, from == nil, to == nil), nil
}

// compare returns the fields that differ. Where one side does not exist, its
// values become null.
func compare(before, after map[string]json.RawMessage, created, deleted bool) map[string]Change {
	changed := make(map[string]Change)
	for name := range after {
		// Who was changed is in the entry, and use is no change.
		if name == "id" || name == "last_used_at" || bytes.Equal(before[name], after[name]) {
			continue
		}
		c := Change{From: before[name], To: after[name]}
		if created {
			c.From = nil
		}
		if deleted {
			c.To = nil
		}
		changed[name] = c
	}
	return changed
}

func recordFields(k *apikey.Key, at time.Time) (map[string]json.RawMessage, error) {
	if k == nil {
		k = new(apikey.Key)
	}
	text, err := json.Marshal(k.Record(at, time.Time{}))
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", k.ID, err)
	}
	var fields map[string]json.RawMessage
	return fields, json.Unmarshal(text, &fields)
}
