package adminapi

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/socialpatra/keygate/apikey"
)

// checkMembers refuses JSON that encoding/json accepts and other readers of the
// same text refuse or read differently: members in another case, members given
// twice, and strings that are not Unicode text. text must have been decoded into
// a value of typ without an error, so it is valid JSON.
func checkMembers(text []byte, typ reflect.Type) error {
	c := memberCheck{text: text}
	if c.next() != '{' {
		return &bodyError{http.StatusBadRequest, "the body is not a JSON object; send a JSON object"}
	}
	return c.value(typ)
}

// memberCheck walks over JSON. It allocates only if something is refused or a
// name has an escape.
type memberCheck struct {
	text []byte
	at   int
}

// errWalk is never returned to a client, because the decoder has refused such
// text before.
var errWalk = &bodyError{http.StatusBadRequest, "the body is not JSON"}

// next skips white space and returns the next byte, or 0 at the end.
func (c *memberCheck) next() byte {
	for ; c.at < len(c.text); c.at++ {
		switch c.text[c.at] {
		case ' ', '\t', '\r', '\n', ',', ':':
		default:
			return c.text[c.at]
		}
	}
	return 0
}

func (c *memberCheck) value(typ reflect.Type) error {
	switch c.next() {
	case '{':
		return c.object(shapeOf(typ))
	case '[':
		return c.array(shapeOf(typ).element)
	case '"':
		_, err := c.str()
		return err
	case 0:
		return errWalk
	}
	for c.at < len(c.text) { // a number, true, false or null
		switch c.text[c.at] {
		case ' ', '\t', '\r', '\n', ',', ']', '}':
			return nil
		}
		c.at++
	}
	return nil
}

func (c *memberCheck) array(element reflect.Type) error {
	c.at++
	for c.next() != ']' {
		if err := c.value(element); err != nil {
			return err
		}
	}
	c.at++
	return nil
}

func (c *memberCheck) object(s *shape) error {
	c.at++
	var seen uint64            // the members that s has, as bits
	var others map[string]bool // the members, if s allows any
	for c.next() != '}' {
		if c.next() != '"' {
			return errWalk
		}
		name, err := c.str()
		if err != nil {
			return err
		}
		var typ reflect.Type
		if s.names == nil {
			if others[string(name)] {
				return givenTwice(string(name))
			}
			if others == nil {
				others = make(map[string]bool)
			}
			others[string(name)] = true
		} else {
			i, ok := s.names[string(name)]
			switch {
			case !ok:
				return &apikey.FieldError{Field: memberName(string(name)), Problem: "is not a member", Accepted: s.meant(string(name))}
			case seen&(1<<i) != 0:
				return givenTwice(string(name))
			}
			seen |= 1 << i
			typ = s.types[i]
		}
		if err := c.value(typ); err != nil {
			return inside(string(name), err)
		}
	}
	c.at++
	return nil
}

func givenTwice(name string) error {
	return &apikey.FieldError{Field: memberName(name), Problem: "is given more than once", Accepted: "once"}
}

// inside puts the name of the member in front of an error about its value.
func inside(name string, err error) error {
	field, ok := errors.AsType[*apikey.FieldError](err)
	if !ok {
		return err
	}
	path := memberName(name)
	if field.Field != "" {
		path += "." + field.Field
	}
	return &apikey.FieldError{Field: path, Problem: field.Problem, Accepted: field.Accepted}
}

// memberName returns a name as it is if it is a plain word, and quoted otherwise.
func memberName(name string) string {
	plain := func(r rune) bool {
		return r == '_' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z'
	}
	if name != "" && !apikey.ResemblesToken(name) && strings.IndexFunc(name, func(r rune) bool { return !plain(r) }) < 0 && len(name) <= 64 {
		return name
	}
	return apikey.Quote(name)
}

// str returns the string that begins here, without its escapes. It refuses bytes
// that are not UTF-8 and lone surrogates. encoding/json replaces each of these by
// U+FFFD, so that two different texts would become the same.
func (c *memberCheck) str() ([]byte, error) {
	start, escaped := c.at, false
	for c.at++; ; c.at++ {
		if c.at >= len(c.text) {
			return nil, errWalk
		}
		switch c.text[c.at] {
		case '"':
			c.at++
			raw := c.text[start+1 : c.at-1]
			if !utf8.Valid(raw) {
				return nil, notUnicode()
			}
			if !escaped {
				return raw, nil
			}
			var plain string
			err := json.Unmarshal(c.text[start:c.at], &plain)
			return []byte(plain), err
		case '\\':
			escaped = true
			if c.at++; c.at < len(c.text) && c.text[c.at] == 'u' {
				if err := c.surrogates(); err != nil {
					return nil, err
				}
			}
		}
	}
}

// surrogates moves to the last digit of an escape, or of the second escape if two
// form a surrogate pair.
func (c *memberCheck) surrogates() error {
	first := c.hex(c.at + 1)
	c.at += 4
	if !utf16.IsSurrogate(first) {
		return nil
	}
	if !bytes.HasPrefix(c.text[c.at+1:], []byte(`\u`)) || utf16.DecodeRune(first, c.hex(c.at+3)) == utf8.RuneError {
		return notUnicode()
	}
	c.at += 6
	return nil
}

func (c *memberCheck) hex(at int) rune {
	if at+4 > len(c.text) {
		return 0
	}
	n, _ := strconv.ParseUint(string(c.text[at:at+4]), 16, 16) // the decoder has checked the digits
	return rune(n)
}

func notUnicode() error {
	return &apikey.FieldError{Problem: "is not valid Unicode", Accepted: "Unicode text in UTF-8, without lone surrogates"}
}

// shape is the JSON that a type accepts.
type shape struct {
	names   map[string]int // for each member its index in types; nil: any members
	types   []reflect.Type
	element reflect.Type // of an array's elements
}

// meant returns the member whose name differs from name only in case.
func (s *shape) meant(name string) string {
	for known := range s.names {
		if strings.EqualFold(known, name) {
			return known
		}
	}
	return ""
}

var shapes sync.Map // *shape by reflect.Type

// shapeOf returns the shape of typ, or of anything if typ is nil.
func shapeOf(typ reflect.Type) *shape {
	for typ != nil && typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	if found, ok := shapes.Load(typ); ok {
		return found.(*shape)
	}
	s := new(shape)
	switch {
	case typ == nil || readsItself(typ):
	case typ.Kind() == reflect.Slice:
		s.element = typ.Elem()
	case typ.Kind() == reflect.Struct:
		s.names = make(map[string]int)
		s.add(typ)
		if len(s.types) > 64 {
			panic(typ.String() + " has more members than object can count")
		}
	}
	shapes.Store(typ, s)
	return s
}

// add adds the members of a struct. They come before those of embedded structs,
// which they hide.
func (s *shape) add(typ reflect.Type) {
	var embedded []reflect.Type
	for field := range typ.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		_, hidden := s.names[name]
		switch {
		case field.Anonymous:
			embedded = append(embedded, field.Type)
		case name != "" && name != "-" && !hidden:
			s.names[name] = len(s.types)
			s.types = append(s.types, field.Type)
		}
	}
	for _, typ := range embedded {
		s.add(typ)
	}
}

// readsItself reports whether a type implements its own reading of JSON.
func readsItself(typ reflect.Type) bool {
	p := reflect.PointerTo(typ)
	return p.Implements(reflect.TypeFor[json.Unmarshaler]()) || p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}
