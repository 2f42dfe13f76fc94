package adminapi

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/socialpatra/keygate/apikey"
)

// checkMembers refuses JSON that encoding/json accepts although it says something
// that is not understood, or that other readers of the same text read differently:
// unknown members and those in another case, members given twice, null where it
// means nothing, and strings that are not Unicode text. text must have been decoded
// into a value of typ without an error, so it is valid JSON.
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
		return c.array(&shapeOf(typ).element)
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

func (c *memberCheck) array(element *member) error {
	c.at++
	for c.next() != ']' {
		if err := c.valueOf(element); err != nil {
			return err
		}
	}
	c.at++
	return nil
}

func (c *memberCheck) object(s *shape) error {
	c.at++
	seen := givenMembers{shape: s}
	for c.next() != '}' {
		if c.next() != '"' {
			return errWalk
		}
		name, err := c.str()
		if err != nil {
			return err
		}
		m, err := seen.add(name)
		if err != nil {
			return err
		}
		if err := c.valueOf(m); err != nil {
			return inside(string(name), err)
		}
	}
	c.at++
	return nil
}

// valueOf checks the value of a member, or the element of an array.
func (c *memberCheck) valueOf(m *member) error {
	if c.next() == 'n' && !m.null {
		return &apikey.FieldError{Problem: "null is not accepted", Accepted: m.accepted()}
	}
	return c.value(m.typ)
}

// givenMembers are the members of an object that were read so far.
type givenMembers struct {
	shape  *shape
	known  uint64          // the members that the shape has, as bits
	others map[string]bool // the members, if the shape allows any
}

// anything is a member of an object that may have any members.
var anything = &member{null: true}

// add returns the member of a name. It refuses one that the object may not have,
// or has already.
func (g *givenMembers) add(name []byte) (*member, error) {
	if g.shape.names == nil {
		if g.others[string(name)] {
			return nil, givenTwice(string(name))
		}
		if g.others == nil {
			g.others = make(map[string]bool)
		}
		g.others[string(name)] = true
		return anything, nil
	}
	i, ok := g.shape.names[string(name)]
	switch {
	case !ok:
		return nil, g.shape.unknown(string(name))
	case g.known&(1<<i) != 0:
		return nil, givenTwice(string(name))
	}
	g.known |= 1 << i
	return &g.shape.members[i], nil
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
	names   map[string]int // for each member its index in members; nil: any members
	members []member
	element member // of an array
}

// member is a member of an object, or the element of an array.
type member struct {
	name     string
	typ      reflect.Type // nil: anything
	null     bool         // may be null
	optional bool         // may be left out
}

// accepted says what to send in place of null.
func (m *member) accepted() string {
	text := kindOf(m.typ)
	if m.optional {
		text += ", or leave it out"
	}
	return text
}

// kindOf returns JSON's name for the values that a type is decoded from.
func kindOf(typ reflect.Type) string {
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	switch {
	case typ == reflect.TypeFor[time.Time]():
		return "an RFC 3339 time"
	case readsItself(typ):
		return jsonKind("string")
	default:
		return jsonKind(typ.Kind().String())
	}
}

// unknown refuses a member that the shape does not have.
func (s *shape) unknown(name string) error {
	err := &apikey.FieldError{Field: memberName(name), Problem: "is not a member", Accepted: "no members"}
	if near := s.meant(name); near != "" {
		err.Problem += " (did you mean " + near + "?)"
	}
	if known := s.known(); len(known) > 0 {
		err.Accepted = strings.Join(known, ", ")
	}
	return err
}

// known returns the names of the members.
func (s *shape) known() (names []string) {
	for i := range s.members {
		names = append(names, s.members[i].name)
	}
	return names
}

// meant returns the member whose name differs from name only in case, or else the
// one that name is most likely a misspelling of, or "".
func (s *shape) meant(name string) string {
	known := s.known()
	if i := slices.IndexFunc(known, func(k string) bool { return strings.EqualFold(k, name) }); i >= 0 {
		return known[i]
	}
	return apikey.Nearest(name, known)
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
	s := &shape{element: *anything}
	switch {
	case typ == nil || readsItself(typ):
	case typ.Kind() == reflect.Slice:
		s.element = member{typ: typ.Elem()}
	case typ.Kind() == reflect.Struct:
		s.names = make(map[string]int)
		s.add(typ)
		if len(s.members) > 64 {
			panic(typ.String() + " has more members than givenMembers can count")
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
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		_, hidden := s.names[name]
		switch {
		case field.Anonymous:
			embedded = append(embedded, field.Type)
		case name != "" && name != "-" && !hidden:
			s.names[name] = len(s.members)
			optional := strings.Contains(options, "omit")
			s.members = append(s.members, member{name, field.Type, meansNull(field.Type, optional), optional})
		}
	}
	for _, typ := range embedded {
		s.add(typ)
	}
}

// meansNull reports whether null is a value of a member: it keeps its JSON as it
// is, or is itself written as null where it has no value. A pointer that is left
// out then has no use for null.
func meansNull(typ reflect.Type, optional bool) bool {
	return typ == reflect.TypeFor[json.RawMessage]() || typ.Kind() == reflect.Pointer && !optional
}

// readsItself reports whether a type implements its own reading of JSON.
func readsItself(typ reflect.Type) bool {
	p := reflect.PointerTo(typ)
	return p.Implements(reflect.TypeFor[json.Unmarshaler]()) || p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}
