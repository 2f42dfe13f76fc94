package apikey

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
)

// IDLen is the length of a key ID in characters.
const IDLen = 12

// ID names a key: 12 base62 characters, public and unique. It is an array, so
// that a map with IDs as keys has no pointers for the garbage collector to
// follow. The zero ID names no key.
type ID [IDLen]byte

// NewID returns a random ID from crypto/rand.
func NewID() ID {
	var id ID
	randomBase62(id[:])
	return id
}

// IDFrom returns the ID that belongs to a text: always the same, and spread as a
// random one. Nobody finds a text for an ID that is given.
func IDFrom(text string) (id ID) {
	for sum, n := sha256.Sum256([]byte(text)), 0; n < len(id); sum = sha256.Sum256(sum[:]) {
		for _, b := range sum {
			if b < 248 && n < len(id) { // see randomBase62
				id[n] = base62[b%62]
				n++
			}
		}
	}
	return id
}

// ParseID accepts exactly 12 base62 characters.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != IDLen || !isBase62(s) {
		return id, &FieldError{Field: "id", Problem: fmt.Sprintf("%s is not a key ID", Quote(s)), Accepted: acceptedRef}
	}
	copy(id[:], s)
	return id, nil
}

// IsZero reports whether id names no key.
func (id ID) IsZero() bool { return id == ID{} }

// String returns the 12 characters, or "" for the zero ID.
func (id ID) String() string {
	if id.IsZero() {
		return ""
	}
	return string(id[:])
}

// MarshalText returns the same text as String, so that JSON shows IDs as text.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText accepts what MarshalText returns.
func (id *ID) UnmarshalText(p []byte) error {
	if len(p) == 0 {
		*id = ID{}
		return nil
	}
	parsed, err := ParseID(string(p))
	if err == nil {
		*id = parsed
	}
	return err
}

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// randomBase62 fills p with base62 characters that are equally likely. It draws
// bytes of 248 and more again, because 248 is the largest multiple of 62 in a
// byte.
func randomBase62(p []byte) {
	var buf [64]byte
	for n := 0; n < len(p); {
		rand.Read(buf[:]) // never fails since Go 1.24
		for _, b := range buf {
			if b < 248 && n < len(p) {
				p[n] = base62[b%62]
				n++
			}
		}
	}
	clear(buf[:])
}

// base62Chars is a table because every request checks 50 characters with it.
var base62Chars = func() (table [256]bool) {
	for i := range len(base62) {
		table[base62[i]] = true
	}
	return table
}()

func isBase62(s string) bool {
	for i := range len(s) {
		if !base62Chars[s[i]] {
			return false
		}
	}
	return true
}
