// Package keyfields walks the fields of a key, so that tests can ask of each of
// them, also of one that is added later, whether it gets where it must.
package keyfields

import (
	"fmt"
	"reflect"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// Field is one field of [apikey.Key], or of a struct in it.
type Field struct {
	Name  string // such as Name or Limits.Burst
	index []int
}

// All returns the fields in their order. Structs that hold settings are walked
// into; times, IDs and hashes are fields.
func All() []Field { return walk(reflect.TypeFor[apikey.Key](), "", nil) }

func walk(typ reflect.Type, before string, index []int) (all []Field) {
	for i := range typ.NumField() {
		field := typ.Field(i)
		at := append(append([]int{}, index...), i)
		if field.Type.Kind() == reflect.Struct && field.Type != reflect.TypeFor[time.Time]() {
			all = append(all, walk(field.Type, before+field.Name+".", at)...)
			continue
		}
		all = append(all, Field{before + field.Name, at})
	}
	return all
}

// Of returns the value of the field.
func (f Field) Of(k *apikey.Key) any {
	return reflect.ValueOf(k).Elem().FieldByIndex(f.index).Interface()
}

// Put sets the field to a value of its type.
func (f Field) Put(k *apikey.Key, value any) {
	reflect.ValueOf(k).Elem().FieldByIndex(f.index).Set(reflect.ValueOf(value))
}

// IsSet reports whether the field says anything: it is neither zero nor an empty
// list or map.
func (f Field) IsSet(k *apikey.Key) bool {
	switch value := reflect.ValueOf(f.Of(k)); value.Kind() {
	case reflect.Slice, reflect.Map:
		return value.Len() > 0
	default:
		return !value.IsZero()
	}
}

// samples are values of fields whose form is checked. All others get one by
// their kind.
var samples = map[string]any{
	"Workspace":      "other",
	"Scopes":         []string{"media:upload", "posts:write"},
	"AllowedOrigins": []string{"https://shop.example"},
	"AllowedIPs":     []string{"203.0.113.7"},
	"Limits.Burst":   uint32(7),
	"ID":             apikey.ID([]byte("zzzzzzzzzzz1")),
	"RotatedFrom":    apikey.ID([]byte("zzzzzzzzzzz2")),
	"ReplacedBy":     apikey.ID([]byte("zzzzzzzzzzz3")),
	"Account":        apikey.ID([]byte("zzzzzzzzzzz4")),
	"ExpiresAt":      time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC),
}

// Set gives the field a value that is not zero and that [Plain] does not have.
func (f Field) Set(k *apikey.Key) {
	value := reflect.ValueOf(k).Elem().FieldByIndex(f.index)
	if sample, ok := samples[f.Name]; ok {
		value.Set(copied(reflect.ValueOf(sample)))
		return
	}
	fill(value)
}

// copied returns a list or a map that no two keys share.
func copied(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.Slice:
		return reflect.AppendSlice(reflect.Zero(v.Type()), v)
	case reflect.Map:
		m := reflect.MakeMap(v.Type())
		for name, element := range v.Seq2() {
			m.SetMapIndex(name, element)
		}
		return m
	default:
		return v
	}
}

// mapSize is how many entries a map gets: enough that what goes over them in no
// order shows.
const mapSize = 8

func fill(value reflect.Value) {
	switch value.Kind() {
	case reflect.Bool:
		value.SetBool(true)
	case reflect.String:
		value.SetString("another")
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		value.SetInt(77)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		value.SetUint(77)
	case reflect.Slice:
		value.Set(reflect.MakeSlice(value.Type(), 1, 1))
		fill(value.Index(0))
	case reflect.Array:
		for i := range value.Len() {
			fill(value.Index(i))
		}
	case reflect.Map:
		value.Set(reflect.MakeMap(value.Type()))
		for i := range mapSize {
			name, element := reflect.New(value.Type().Key()).Elem(), reflect.New(value.Type().Elem()).Elem()
			fill(name)
			fill(element)
			if name.Kind() == reflect.String {
				name.SetString(fmt.Sprintf("%s-%d", name, i))
			}
			value.SetMapIndex(name, element)
		}
	case reflect.Struct: // time.Time is the only one
		value.Set(reflect.ValueOf(time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)))
	default:
		panic(fmt.Sprintf("no value for a %s", value.Type()))
	}
}

// Plain returns a key with an identity and nothing else that need not be.
func Plain(id apikey.ID) apikey.Key {
	k := apikey.Key{
		ID: id, Prefix: apikey.Prefix("patra", id), Hash: apikey.Hash{1}, Workspace: "acme", Name: "plain",
		Scopes: []string{"posts:read"}, CreatedAt: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC),
	}
	copy(k.Hash[1:], id[:])
	if err := k.Normalize(); err != nil {
		panic(err)
	}
	return k
}
