package apikey

import (
	"hash/crc32"
	"regexp"
	"strings"
	"testing"
)

const (
	testToken  = "patra_7Hk2Qp9aX3bC_0123456789ABCDEFGHIJKLMNOPQRSTUV2YI9hn"
	testID     = "7Hk2Qp9aX3bC"
	testPrefix = "patra_7Hk2Qp9aX3bC"
)

func TestParseVectors(t *testing.T) {
	for token, id := range map[string]string{
		"patra_000000000000_000000000000000000000000000000001Dk7q8": "000000000000",
		testToken: testID,
		"patra_zzzzzzzzzzzz_zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz3YawE9": "zzzzzzzzzzzz",
	} {
		t.Run(id, func(t *testing.T) {
			got, ok := Parse("patra", token)
			if !ok || got.String() != id {
				t.Errorf("Parse = %v, %v; want %s, true", got, ok, id)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	swap := func(i int, c string) string { return testToken[:i] + c + testToken[i+1:] }
	for name, token := range map[string]string{
		"empty":                "",
		"brand only":           "patra",
		"prefix only":          testPrefix,
		"another brand":        strings.Replace(testToken, "patra", "other", 1),
		"longer brand":         "x" + testToken,
		"brand in upper case":  strings.Replace(testToken, "patra", "Patra", 1),
		"first underscore":     swap(5, "-"),
		"second underscore":    swap(18, "0"),
		"one too short":        testToken[:len(testToken)-1],
		"one too long":         testToken + "0",
		"space before":         " " + testToken[:len(testToken)-1],
		"newline after":        testToken[:len(testToken)-1] + "\n",
		"NUL in the secret":    swap(30, "\x00"),
		"high byte":            swap(30, "\xff"),
		"underscore in the ID": swap(10, "_"),
		"ID changed":           swap(6, "8"),
		"secret changed":       swap(19, "1"),
		"checksum changed":     swap(56, "m"),
		"checksum in low case": swap(52, "y"),
		"padded with equals":   swap(56, "="),
	} {
		t.Run(name, func(t *testing.T) {
			if id, ok := Parse("patra", token); ok || !id.IsZero() {
				t.Errorf("Parse(%q) = %v, %v; want none, false", token, id, ok)
			}
		})
	}
}

// A token of another brand is none of this one, right as it is otherwise.
func TestParseRefusesOtherBrands(t *testing.T) {
	for _, brand := range []string{"other", "patrb", "qatra", "paxra", "patr", "patras", "gk"} {
		token, id, _ := Generate(brand)
		if _, ok := Parse("patra", token); ok {
			t.Errorf("Parse accepts a token of %s", brand)
		}
		if got, ok := Parse(brand, token); !ok || got != id {
			t.Errorf("Parse refuses a token of %s as one of that brand", brand)
		}
	}
}

// Alphabet and underscores must be checked on their own account: here the
// checksum is right.
func TestParseRefusesWithRightChecksum(t *testing.T) {
	for name, body := range map[string]string{
		"hyphen in the secret": "patra_7Hk2Qp9aX3bC_0123456789ABCDEFGHIJKLMNOPQRST-V",
		"hyphen in the ID":     "patra_7Hk2Qp9aX-bC_0123456789ABCDEFGHIJKLMNOPQRSTUV",
		"hyphen after brand":   "patra-7Hk2Qp9aX3bC_0123456789ABCDEFGHIJKLMNOPQRSTUV",
		"letter after ID":      "patra_7Hk2Qp9aX3bCx0123456789ABCDEFGHIJKLMNOPQRSTUV",
	} {
		t.Run(name, func(t *testing.T) {
			sum := checksum(body)
			if _, ok := Parse("patra", body+string(sum[:])); ok {
				t.Error("Parse accepts it")
			}
		})
	}
}

func TestGenerate(t *testing.T) {
	form := regexp.MustCompile(`^\bacme7_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}\b$`)
	seen := map[string]bool{}
	for range 200 {
		token, id, hash := Generate("acme7")
		if !form.MatchString(token) || seen[token] {
			t.Fatalf("%q has the wrong form or came before", token)
		}
		seen[token] = true
		if got, ok := Parse("acme7", token); !ok || got != id {
			t.Errorf("Parse = %v, %v; want %v, true", got, ok, id)
		}
		if !HashToken(token).Equal(hash) {
			t.Error("hash is not that of the token")
		}
		if !strings.HasPrefix(token, Prefix("acme7", id)+"_") {
			t.Errorf("token does not begin with %s_", Prefix("acme7", id))
		}
	}
}

// With 62 × 10,000 draws each character is expected 10,000 times, with a
// standard deviation of 99. A modulo of whole bytes would make the first eight
// characters come 12,109 times, 21 deviations off; 8 deviations happen by
// chance once in 10^13 runs.
func TestRandomBase62IsUnbiased(t *testing.T) {
	const each = 10_000
	draws := make([]byte, len(base62)*each)
	randomBase62(draws)
	var counts [256]int
	for _, c := range draws {
		counts[c]++
	}
	for i := range len(base62) {
		if n := counts[base62[i]]; n < each-800 || n > each+800 {
			t.Errorf("%c came %d times; want %d ± 800", base62[i], n, each)
		}
	}
}

func TestCheckBrand(t *testing.T) {
	for _, brand := range []string{"patra", "gk", "a1", "abcdefghij123456"} {
		if err := CheckBrand(brand); err != nil {
			t.Errorf("CheckBrand(%q) = %v", brand, err)
		}
	}
	for brand, shown := range map[string]string{
		"":                  `""`,
		"a":                 `"a"`,
		"1a":                `"1a"`,
		"Patra":             `"Patra"`,
		"pa_tra":            `"pa_tra"`,
		"abcdefghij1234567": `"abcdefghij1234567"`,
		"paträ":             `"patr\u00e4"`,
	} {
		wantFieldError(t, CheckBrand(brand), "key_prefix", shown+" is not a brand; accepted: a lower-case letter, then 1 to 15 lower-case letters or digits")
	}
}

func TestParseRef(t *testing.T) {
	for _, ref := range []string{testID, testPrefix, "gk_" + testID} {
		if id, err := ParseRef(ref); err != nil || id.String() != testID {
			t.Errorf("ParseRef(%q) = %v, %v", ref, id, err)
		}
	}
	const accepted = "; accepted: the key's ID, such as 7Hk2Qp9aX3bC, or its prefix, such as patra_7Hk2Qp9aX3bC"
	for _, tt := range []struct{ name, ref, want string }{
		{"empty", "", `"" is not a key ID` + accepted},
		{"short", "7Hk2", `"7Hk2" is not a key ID` + accepted},
		{"no brand", "_" + testID, `"_7Hk2Qp9aX3bC" is not a key ID` + accepted},
		{"bad brand", "Patra_" + testID, `"Patra_7Hk2Qp9aX3bC" is not a key ID` + accepted},
		{"path", "../" + testID, `"../7Hk2Qp9aX3bC" is not a key ID` + accepted},
		{"token", testToken, "this is a whole token, which is secret" + accepted},
		{"token of another brand", "gk" + testToken[5:], "this is a whole token, which is secret" + accepted},
		{"token cut short", testToken[:50], "<a token> is not a key ID" + accepted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseRef(tt.ref)
			wantFieldError(t, err, "id", tt.want)
		})
	}
}

func TestParseAllocatesNothing(t *testing.T) {
	for name, token := range map[string]string{"good": testToken, "bad checksum": testToken[:56] + "m"} {
		t.Run(name, func(t *testing.T) {
			if n := testing.AllocsPerRun(100, func() { Parse("patra", token) }); n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{testToken, "gk" + testToken[5:], testToken[:56] + "m", testPrefix, "", "____"} {
		f.Add("patra", s)
	}
	f.Fuzz(func(t *testing.T, brand, token string) {
		id, ok := Parse(brand, token)
		if !ok {
			return
		}
		if !strings.HasPrefix(token, Prefix(brand, id)+"_") {
			t.Errorf("token does not begin with the prefix of its ID %v", id)
		}
		sum := checksum(token[:len(token)-ChecksumLen])
		if !strings.HasSuffix(token, string(sum[:])) {
			t.Error("accepted a wrong checksum")
		}
		if CheckBrand(brand) != nil {
			return
		}
		if !ContainsToken(token) {
			t.Error("ContainsToken does not find what Parse accepts")
		}
		if _, err := ParseRef(token); err == nil || strings.Contains(err.Error(), token) {
			t.Errorf("ParseRef: %v", err)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Parse("patra", testToken)
	}
}

func BenchmarkParseBadChecksum(b *testing.B) {
	token := testToken[:56] + "m"
	b.ReportAllocs()
	for b.Loop() {
		Parse("patra", token)
	}
}

// BenchmarkParseForeign is a token of another system, told by its brand, by its
// length, or only by what it is made of.
func BenchmarkParseForeign(b *testing.B) {
	for name, token := range map[string]string{
		"brand":      "other" + testToken[5:],
		"length":     testToken + "0",
		"characters": testToken[:40] + "-" + testToken[41:],
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Parse("patra", token)
			}
		})
	}
}

func BenchmarkParseParallel(b *testing.B) {
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			Parse("patra", testToken)
		}
	})
}

func TestParseForeignAllocatesNothing(t *testing.T) {
	for _, token := range []string{"other" + testToken[5:], testToken + "0", testToken[:40] + "-" + testToken[41:], ""} {
		if n := testing.AllocsPerRun(100, func() { Parse("patra", token) }); n != 0 {
			t.Errorf("%v allocations for a foreign token of %d bytes", n, len(token))
		}
	}
}

func TestChecksumIsCRC32(t *testing.T) {
	const text = "patra_7Hk2Qp9aX3bC_0123456789ABCDEFGHIJKLMNOPQRSTUV\x00\xff"
	for n := range len(text) + 1 {
		sum, digits := crc32.ChecksumIEEE([]byte(text[:n])), checksum(text[:n])
		var got uint64
		for _, c := range digits {
			got = got*62 + uint64(strings.IndexByte(base62, c))
		}
		if got != uint64(sum) {
			t.Errorf("of %d bytes: %x, want %x", n, got, sum)
		}
	}
}
