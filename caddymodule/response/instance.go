package response

import (
	"encoding/hex"
	"math/rand/v2"
)

const instancePrefix = "urn:uuid:"

// NewInstance returns the identifier of one refusal: a random UUID (version 4,
// RFC 9562 §5.4) as a URN. It is not secret, and guessing one gains nothing.
func NewInstance() string {
	high, low := rand.Uint64(), rand.Uint64() //nolint:gosec // it has to be unique, not secret
	high = high&^0xf000 | 4<<12               // version
	low = low&^(3<<62) | 0b10<<62             // variant
	var id [16]byte
	for i := range 8 {
		id[i], id[8+i] = byte(high>>(56-8*i)), byte(low>>(56-8*i))
	}
	var b [len(instancePrefix) + 36]byte
	text := append(b[:0], instancePrefix...)
	for i, part := range [...][]byte{id[:4], id[4:6], id[6:8], id[8:10], id[10:]} {
		if i > 0 {
			text = append(text, '-')
		}
		text = hex.AppendEncode(text, part)
	}
	return string(text)
}
