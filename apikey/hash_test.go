package apikey

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestHashTokenVector(t *testing.T) {
	hash := HashToken(testToken)
	const want = "ffab2d96cfd3d547afe679a2c77b1fc1d6cdb69fa195825ef2059b479ee39637"
	if got := hex.EncodeToString(hash[:]); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestHashTokenOfAnyLength(t *testing.T) {
	for _, n := range []int{0, 1, 57, maxTokenLen - 1, maxTokenLen, maxTokenLen + 1, 1 << 16} {
		s := strings.Repeat("x", n)
		if got := HashToken(s); got != sha256.Sum256([]byte(s)) {
			t.Errorf("HashToken of %d bytes is not their SHA-256", n)
		}
	}
}

func TestHashEqual(t *testing.T) {
	hash, zero := HashToken(testToken), Hash{}
	lastBit := hash
	lastBit[31] ^= 1
	for _, tt := range []struct {
		name string
		a, b Hash
		want bool
	}{
		{"same", hash, HashToken(testToken), true},
		{"another token", hash, HashToken("x"), false},
		{"last bit", hash, lastBit, false},
		{"zero given", hash, zero, false},
		{"zero stored", zero, hash, false},
		{"both zero", zero, zero, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.a.Equal(tt.b); got != tt.want {
				t.Errorf("Equal = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestHashDoesNotShowItself(t *testing.T) {
	hash := HashToken(testToken)
	key := Key{Hash: hash}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%d", "%q", "%b"} {
		if got := fmt.Sprintf(verb, hash); got != "sha256:(hidden)" {
			t.Errorf("%s prints %s", verb, got)
		}
		// ff ab as the first two bytes, in the bases that fmt prints in.
		got := fmt.Sprintf(verb, key)
		for _, leak := range []string{"ffab2d", "FFAB2D", "255 171 45", "0xff, 0xab", "11111111 10101011"} {
			if strings.Contains(got, leak) {
				t.Errorf("%s of a key prints %s", verb, got)
			}
		}
	}
	if got := hash.String(); got != "sha256:(hidden)" {
		t.Errorf("String = %s", got)
	}
	if p, err := json.Marshal(key); err == nil {
		t.Errorf("a key's hash marshals to %s", p)
	}
}

func TestHashTokenAllocatesNothing(t *testing.T) {
	for name, token := range map[string]string{"patra": testToken, "longest": "a234567890123456" + testToken[5:]} {
		t.Run(name, func(t *testing.T) {
			if n := testing.AllocsPerRun(100, func() { HashToken(token) }); n != 0 {
				t.Errorf("%v allocations for %d bytes", n, len(token))
			}
		})
	}
}

func BenchmarkHashToken(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		HashToken(testToken)
	}
}

func BenchmarkHashEqual(b *testing.B) {
	hash, same := HashToken(testToken), HashToken(testToken)
	b.ReportAllocs()
	for b.Loop() {
		hash.Equal(same)
	}
}
