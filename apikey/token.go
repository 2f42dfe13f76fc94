package apikey

import (
	"crypto/sha256"
	"fmt"
	"hash/crc32"
)

// A token is brand_id_secret+checksum, such as
// patra_7Hk2Qp9aX3bC_0123456789ABCDEFGHIJKLMNOPQRSTUV2YI9hn. With the checksum, a
// scanner or the gateway can tell a token from noise without hashing it or
// looking it up. The checksum never authenticates.
const (
	SecretLen   = 32 // base62 characters: 190 bits from crypto/rand
	ChecksumLen = 6  // base62 digits of the CRC-32/IEEE of all before them

	// DefaultBrand is the brand of tokens if the config names no other.
	DefaultBrand = "patra"
)

const (
	minBrandLen = 2
	maxBrandLen = 16
	tailLen     = 1 + IDLen + 1 + SecretLen + ChecksumLen // all but the brand
	maxTokenLen = maxBrandLen + tailLen
)

// CheckBrand accepts a lower-case letter followed by 1 to 15 lower-case letters
// or digits. The error is a [*FieldError] for "key_prefix".
func CheckBrand(s string) error {
	if isBrand(s) {
		return nil
	}
	return &FieldError{
		Field:    "key_prefix",
		Problem:  Quote(s) + " is not a brand",
		Accepted: "a lower-case letter, then 1 to 15 lower-case letters or digits",
	}
}

// TokenLen returns the length of the brand's tokens.
func TokenLen(brand string) int { return len(brand) + tailLen }

func isBrand(s string) bool {
	if len(s) < minBrandLen || len(s) > maxBrandLen || !isLower(s[0]) {
		return false
	}
	for i := range len(s) {
		if !isBrandChar(s[i]) {
			return false
		}
	}
	return true
}

func isLower(c byte) bool     { return c >= 'a' && c <= 'z' }
func isDigit(c byte) bool     { return c >= '0' && c <= '9' }
func isBrandChar(c byte) bool { return isLower(c) || isDigit(c) }

// Generate returns a new token with a random ID and secret from crypto/rand. The
// returned token is the only copy of the secret; callers keep only the hash. The
// brand must be one that [CheckBrand] accepts.
func Generate(brand string) (token string, id ID, hash Hash) {
	id = NewID()
	token, hash = GenerateFor(brand, id)
	return token, id, hash
}

// GenerateFor is [Generate] for a key whose ID is known.
func GenerateFor(brand string, id ID) (token string, hash Hash) {
	b := make([]byte, 0, maxTokenLen)
	b = fmt.Appendf(b, "%s_%s_", brand, id)
	secret := len(b)
	b = b[:secret+SecretLen]
	randomBase62(b[secret:])
	sum := checksum(string(b))
	b = append(b, sum[:]...)
	token, hash = string(b), sha256.Sum256(b)
	clear(b)
	return token, hash
}

// Parse reports whether token is well formed: it checks the brand, the length,
// the alphabet, both underscores and the checksum. It returns the ID that the
// token claims. Whether the secret is right is for [Hash.Equal] to say. Parse
// neither hashes nor allocates.
func Parse(brand, token string) (ID, bool) {
	var id ID
	if len(token) != len(brand)+tailLen || token[:len(brand)] != brand {
		return id, false
	}
	rest := token[len(brand):]
	idPart, secret := rest[1:1+IDLen], rest[2+IDLen:]
	if rest[0] != '_' || rest[1+IDLen] != '_' || !isBase62(idPart) || !isBase62(secret) {
		return id, false
	}
	body := len(token) - ChecksumLen
	if sum := checksum(token[:body]); token[body:] != string(sum[:]) {
		return id, false
	}
	copy(id[:], idPart)
	return id, true
}

// checksum returns the CRC-32/IEEE of s as base62 digits, most significant first,
// padded with zeros. It computes the CRC itself, because package crc32 takes only
// []byte and lets it escape: that would allocate on every request.
func checksum(s string) [ChecksumLen]byte {
	crc := ^uint32(0)
	for ; len(s) >= 4; s = s[4:] {
		crc ^= uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
		crc = crcTables[3][byte(crc)] ^ crcTables[2][byte(crc>>8)] ^ crcTables[1][byte(crc>>16)] ^ crcTables[0][crc>>24]
	}
	for i := range len(s) {
		crc = crcTables[0][byte(crc)^s[i]] ^ crc>>8
	}
	crc = ^crc
	var digits [ChecksumLen]byte
	for i := ChecksumLen - 1; i >= 0; i-- {
		digits[i] = base62[crc%62]
		crc /= 62
	}
	return digits
}

// Prefix returns the part of a token that may be shown: patra_7Hk2Qp9aX3bC.
func Prefix(brand string, id ID) string { return brand + "_" + id.String() }

// ParseRef reads what people name a key by: its ID, or its prefix of any brand.
// It refuses a whole token, and does not repeat it in the error.
func ParseRef(s string) (ID, error) {
	if ContainsToken(s) {
		return ID{}, &FieldError{Field: "id", Problem: "this is a whole token, which is secret", Accepted: acceptedRef}
	}
	if cut := len(s) - IDLen - 1; cut > 0 && s[cut] == '_' && isBrand(s[:cut]) {
		s = s[cut+1:]
	}
	return ParseID(s)
}

const acceptedRef = "the key's ID, such as 7Hk2Qp9aX3bC, or its prefix, such as patra_7Hk2Qp9aX3bC"

// crcTables hold what each of four bytes, followed by zeros, adds to a CRC-32.
// Taking four bytes at once is three times as fast as one by one (Kounavis and
// Berry, "A systematic approach to building high performance software-based CRC
// generators", 2005).
var crcTables = newCRCTables()

func newCRCTables() (tables [4][256]uint32) {
	for i, crc := range crc32.IEEETable {
		for zeros := range tables {
			tables[zeros][i] = crc
			crc = crc32.IEEETable[byte(crc)] ^ crc>>8
		}
	}
	return tables
}

// ContainsToken reports whether s contains something in the form of a token, of
// any brand and with any checksum. Such a text must not be shown or stored.
func ContainsToken(s string) bool {
	for i := range len(s) {
		if s[i] == '_' && endsInBrand(s[:i]) && secretFollows(s[i+1:], SecretLen+ChecksumLen) {
			return true
		}
	}
	return false
}

// ResemblesToken also finds a token that lost its brand or its end in copying,
// anywhere in s. It may match an innocent text, so it only decides what errors
// show.
func ResemblesToken(s string) bool {
	const tooMuch = 16 // characters of the secret: half of it
	for i := range len(s) {
		if s[i] == '_' && i >= IDLen && secretFollows(s[i-IDLen:], tooMuch) {
			return true
		}
	}
	return false
}

// secretFollows reports whether s begins with an ID, an underscore and at
// least n base62 characters.
func secretFollows(s string, n int) bool {
	return len(s) >= IDLen+1+n && s[IDLen] == '_' && isBase62(s[:IDLen]) && isBase62(s[IDLen+1:IDLen+1+n])
}

// endsInBrand reports whether a suffix of s is a brand.
func endsInBrand(s string) bool {
	for n := 1; n <= maxBrandLen && n <= len(s); n++ {
		switch c := s[len(s)-n]; {
		case !isBrandChar(c):
			return false
		case n >= minBrandLen && isLower(c):
			return true
		}
	}
	return false
}
