package apikey

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
)

// Hash is the SHA-256 of a whole token. Nothing else is kept of the token. A fast
// hash suffices, because the secret has 190 random bits and cannot be guessed.
//
// A Hash does not print itself and refuses to be marshalled as text or JSON: only
// code that asks for its bytes gets them. The zero Hash belongs to no token.
// Comparing with it costs the same as comparing with any other, so it stands in
// for the hash of an unknown ID.
type Hash [sha256.Size]byte

// HashToken hashes a token. It allocates nothing for anything [Parse] accepts.
func HashToken(token string) Hash {
	var buf [maxTokenLen]byte
	if len(token) > len(buf) {
		return sha256.Sum256([]byte(token))
	}
	return sha256.Sum256(buf[:copy(buf[:], token)])
}

// Equal compares in constant time. The zero Hash equals nothing, not even
// itself.
func (h Hash) Equal(o Hash) bool {
	var zero Hash
	same := subtle.ConstantTimeCompare(h[:], o[:])
	none := subtle.ConstantTimeCompare(o[:], zero[:])
	return same&^none == 1
}

const hiddenHash = "sha256:(hidden)"

// String returns the same text for every hash.
func (Hash) String() string { return hiddenHash }

// Format prints the same text for every hash, whatever the verb.
func (Hash) Format(f fmt.State, _ rune) { io.WriteString(f, hiddenHash) }

// MarshalText always fails. So a hash that strays into JSON is found when the
// code is written, and not in a log or as a lost credential.
func (Hash) MarshalText() ([]byte, error) {
	return nil, errors.New("the hash of a token is not marshalled")
}
