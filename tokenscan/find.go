package tokenscan

import (
	"fmt"
	"io"

	"github.com/socialpatra/keygate/apikey"
)

// Find is a token that was found. It prints as the token's prefix, whatever the
// verb, so that no log and no error shows the token.
type Find struct {
	Line  int64 // from 1
	Brand string
	ID    apikey.ID

	token string
}

// Prefix returns the part of the token that may be shown.
func (f Find) Prefix() string { return apikey.Prefix(f.Brand, f.ID) }

// Token returns the whole token, which is a secret.
func (f Find) Token() string { return f.token }

// Hash returns what a store knows of the token, if it is one of its own.
func (f Find) Hash() apikey.Hash { return apikey.HashToken(f.token) }

func (f Find) String() string { return f.Prefix() }

// Format prints the prefix, whatever the verb.
func (f Find) Format(s fmt.State, _ rune) { io.WriteString(s, f.Prefix()) }

// Unescaped returns a text with one layer of escapes taken off it, of those that a
// scan knows.
func Unescaped(text string) string {
	b := []byte(text)
	if !escapes(b) {
		return text
	}
	return string(unescape(nil, b))
}
