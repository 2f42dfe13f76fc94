package apikey_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/keyfields"
)

// What every setting keeps to, also one that is added later.

// place is where a key holds text.
type place struct {
	name string
	put  func(k *apikey.Key, text string)
}

// places are the texts of a key, its lists and its maps, but for the prefix,
// which follows from the ID.
func places() (all []place) {
	for _, f := range keyfields.All() {
		k := plainKey()
		f.Set(&k)
		sample := reflect.ValueOf(f.Of(&k))
		add := func(what string, holding func(text reflect.Value) reflect.Value) {
			all = append(all, place{f.Name + what, func(k *apikey.Key, text string) {
				f.Put(k, holding(reflect.ValueOf(text)).Interface())
			}})
		}
		switch typ := sample.Type(); {
		case f.Name == "Prefix":
		case typ.Kind() == reflect.String:
			add("", func(text reflect.Value) reflect.Value { return text.Convert(typ) })
		case typ.Kind() == reflect.Slice && typ.Elem().Kind() == reflect.String:
			add(": an entry", func(text reflect.Value) reflect.Value {
				return reflect.Append(reflect.Zero(typ), text.Convert(typ.Elem()))
			})
		case typ.Kind() == reflect.Map:
			name := sample.MapKeys()[0]
			of := func(name, value reflect.Value) reflect.Value {
				m := reflect.MakeMap(typ)
				m.SetMapIndex(name, value)
				return m
			}
			if typ.Key().Kind() == reflect.String {
				add(": a name", func(text reflect.Value) reflect.Value {
					return of(text.Convert(typ.Key()), sample.MapIndex(name))
				})
			}
			if typ.Elem().Kind() == reflect.String {
				add(": a value", func(text reflect.Value) reflect.Value { return of(name, text.Convert(typ.Elem())) })
			}
		}
	}
	return all
}

// No text of a key holds what is secret, what cannot be seen or what has no end.
// The refusal is one line, holds no token, and leaves the key as it was.
func TestEveryTextIsChecked(t *testing.T) {
	const token = "patra_7Hk2Qp9aX3bC_0123456789ABCDEFGHIJKLMNOPQRSTUV2YI9hn"
	bad := map[string]string{
		"a token": token, "an endless text": strings.Repeat("a", 5000), "no UTF-8": "a\xff", "a line break": "a\nb",
		"a control character": "a\x00b", "a bidi control": "a\u202eb", "a blank": " ",
	}
	for _, p := range places() {
		for what, text := range bad {
			k := plainKey()
			p.put(&k, text)
			before := k.Clone()
			err := k.Normalize()
			if _, ok := errors.AsType[*apikey.FieldError](err); !ok {
				t.Errorf("%s may be %s: %v", p.name, what, err)
				continue
			}
			if said := err.Error(); strings.Contains(said, token[20:]) || strings.Contains(said, "\n") || len(said) > 500 {
				t.Errorf("%s is refused in these words: %.600q", p.name, said)
			}
			if !reflect.DeepEqual(k, before) {
				t.Errorf("%s: a refusal changes the key", p.name)
			}
		}
	}
}

// Where any text is accepted, what is text may change with Unicode. What was
// accepted once stays as long as nobody changes it: another setting of such a
// key can be changed.
func TestOldTextMayStay(t *testing.T) {
	tried := 0
	for _, p := range places() {
		k := plainKey()
		if p.put(&k, "für Übersee"); k.Normalize() != nil {
			continue
		}
		tried++
		p.put(&k, "a\u202eb")
		old := k.Clone()
		k.Scopes = []string{"media:upload"}
		if err := k.NormalizeChange(&old); err != nil {
			t.Errorf("%s is refused, and nobody has changed it: %v", p.name, err)
		}
		if p.put(&k, "b\u202ea"); k.NormalizeChange(&old) == nil {
			t.Errorf("%s is changed to what is not accepted", p.name)
		}
	}
	if tried < 2 {
		t.Errorf("only %d texts were tried", tried)
	}
}

// No list and no map is without end.
func TestEveryListIsBounded(t *testing.T) {
	const many = 1000
	for _, f := range keyfields.All() {
		k := plainKey()
		f.Set(&k)
		list := reflect.ValueOf(f.Of(&k))
		switch list.Kind() {
		case reflect.Slice:
			for list.Len() < many {
				list = reflect.Append(list, list.Index(0))
			}
		case reflect.Map:
			first := list.MapKeys()[0]
			for i := range many - list.Len() {
				list.SetMapIndex(reflect.ValueOf(fmt.Sprintf("%v-%d", first, i)).Convert(first.Type()), list.MapIndex(first))
			}
		default:
			continue
		}
		f.Put(&k, list.Interface())
		var field *apikey.FieldError
		if err := k.Normalize(); !errors.As(err, &field) || field.Problem != fmt.Sprintf("has %d entries", many) {
			t.Errorf("%s of %d entries: %v", f.Name, many, err)
		}
	}
}

func isList(v reflect.Value) bool { return v.Kind() == reflect.Slice || v.Kind() == reflect.Map }

// A list or a map of a stored key is never nil, and never null in its record.
func TestNoListIsNil(t *testing.T) {
	for _, f := range keyfields.All() {
		k := plainKey()
		if v := reflect.ValueOf(f.Of(&k)); isList(v) && f.Name != "Scopes" { // of which a key needs one
			f.Put(&k, reflect.Zero(v.Type()).Interface())
			if err := k.Normalize(); err != nil || reflect.ValueOf(f.Of(&k)).IsNil() {
				t.Errorf("%s is nil in a key, %v", f.Name, err)
			}
		}
	}
	record := reflect.ValueOf(new(apikey.Key).Record(time.Time{}, time.Time{}))
	for i := range record.NumField() {
		if v := record.Field(i); isList(v) && v.IsNil() {
			t.Errorf("%s is nil in a record", record.Type().Field(i).Name)
		}
	}
}

// Neither what is normalized nor what is shown shares memory with what it was
// made of.
func TestSharesNoMemory(t *testing.T) {
	for _, f := range keyfields.All() {
		given, untouched := plainKey(), plainKey()
		f.Set(&given)
		f.Set(&untouched)
		record := given.Record(time.Time{}, time.Time{})
		scribble(reflect.ValueOf(&record).Elem())
		if !reflect.DeepEqual(given, untouched) {
			t.Errorf("%s: what is written into the record is in the key", f.Name)
		}
		k := given
		if err := k.Normalize(); err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
		scribble(reflect.ValueOf(&k).Elem())
		if !reflect.DeepEqual(given, untouched) {
			t.Errorf("%s: what is written into a normal key is in what it was made of", f.Name)
		}
	}
}
