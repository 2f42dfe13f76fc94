package plugin_test

import (
	"hash/crc32"
	"strings"
)

// noSuchKeyWithID returns a token of the right form and checksum with a
// given ID and a secret that no key has, by the design's rule and not by the
// code under test.
func noSuchKeyWithID(id string) string {
	return withChecksum("patra_" + id + "_" + strings.Repeat("A", 32))
}

// withChecksum completes brand, ID and secret to a token.
func withChecksum(token string) string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	sum := crc32.ChecksumIEEE([]byte(token))
	var checksum [6]byte
	for i := range checksum {
		checksum[5-i] = digits[sum%62]
		sum /= 62
	}
	return token + string(checksum[:])
}

// flipLast changes the last digit of a token's checksum.
func flipLast(token string) string {
	last := byte('0')
	if token[len(token)-1] == last {
		last = '1'
	}
	return token[:len(token)-1] + string(last)
}
