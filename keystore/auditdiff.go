package keystore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// recordField is a field of the JSON record that a change may touch.
type recordField struct {
	name  string
	index int // in apikey.Record
}

// recordFields are sorted by name, as JSON objects are written. The ID is missing
// because the entry has it, and the last use because use is not a change.
var recordFields = func() []recordField {
	var fields []recordField
	record := reflect.TypeFor[apikey.Record]()
	for i := range record.NumField() {
		name, _, _ := strings.Cut(record.Field(i).Tag.Get("json"), ",")
		if name != "id" && name != "last_used_at" {
			fields = append(fields, recordField{name, i})
		}
	}
	slices.SortFunc(fields, func(x, y recordField) int { return strings.Compare(x.name, y.name) })
	return fields
}()

// recordValues holds the values of recordFields as JSON, one after the other. Its
// buffer is reused, because an import fills it a million times.
type recordValues struct {
	text bytes.Buffer
	ends []int // by index in recordFields
}

// set reads the JSON record of a key at an instant. The record has neither token
// nor hash. A nil key means that the key does not exist.
func (v *recordValues) set(k *apikey.Key, at time.Time) error {
	if k == nil {
		k = new(apikey.Key)
	}
	v.text.Reset()
	v.ends = v.ends[:0]
	record := k.Record(at, time.Time{})
	fields, enc := reflect.ValueOf(&record).Elem(), json.NewEncoder(&v.text)
	for _, f := range recordFields {
		if err := enc.Encode(fields.Field(f.index).Addr().Interface()); err != nil {
			return fmt.Errorf("key %s: %w", k.ID, err)
		}
		v.text.Truncate(v.text.Len() - 1) // the newline
		v.ends = append(v.ends, v.text.Len())
	}
	return nil
}

func (v *recordValues) at(i int) []byte {
	start := 0
	if i > 0 {
		start = v.ends[i-1]
	}
	return v.text.Bytes()[start:v.ends[i]]
}

// changes compares two keys and returns the fields that differ, in the form of
// appendChanges. A nil key means that the key does not exist: then every field
// that is set changes from or to null.
func changes(from, to *apikey.Key, at time.Time) ([]byte, error) {
	var before, after recordValues
	if err := before.set(from, at); err != nil {
		return nil, err
	}
	if err := after.set(to, at); err != nil {
		return nil, err
	}
	return appendChanges(nil, &before, &after, from == nil, to == nil), nil
}

// appendChanges appends the fields that differ, as the JSON of a map of [Change].
// It appends nothing if none differs. The values of a side that does not exist
// are written as null.
func appendChanges(b []byte, before, after *recordValues, created, deleted bool) []byte {
	start, null := len(b), []byte("null")
	for i, f := range recordFields {
		from, to := before.at(i), after.at(i)
		if bytes.Equal(from, to) {
			continue
		}
		if created {
			from = null
		}
		if deleted {
			to = null
		}
		b = append(append(b, `,"`...), f.name...)
		b = append(append(b, `":{"from":`...), from...)
		b = append(append(b, `,"to":`...), to...)
		b = append(b, '}')
	}
	if len(b) == start {
		return b
	}
	b[start] = '{'
	return append(b, '}')
}
