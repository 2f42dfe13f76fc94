package tokenscan

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"strings"
	"testing"
)

// benchTexts are 8 MiB each of what scans meet.
func benchTexts(b *testing.B) map[string][]byte {
	b.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	random := make([]byte, 6<<20)
	for i := range random {
		random[i] = byte(r.Uint32())
	}
	code, err := os.ReadFile("scanner.go")
	if err != nil {
		b.Fatal(err)
	}
	var lines, urls strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&lines, `{"level":"info","ts":1764352842.%d,"logger":"http.log.access","request":{"method":"GET","uri":"/v1/posts/%x?after=\u0026limit=10","headers":{"User-Agent":["curl/8.5"]}},"key_id":"7Hk2Qp9aX3bC","status":200}`+"\n", i, r.Uint64())
		urls.WriteString("GET /search?q=" + url.QueryEscape("où est la clé "+string(random[i*20:i*20+30])) + " 200\n")
	}
	texts := map[string][]byte{
		"code": code, "log": []byte(lines.String()), "urls": []byte(urls.String()), "random": random,
		"hex":    []byte(hex.EncodeToString(random)),
		"base64": []byte(base64.URLEncoding.EncodeToString(random)), "snake": []byte("a_snake_case_name_that_is_very_long_and_goes_on_and_on_and_on_for_ever "),
		"tokens": []byte(newToken("patra") + "\n"), "percent": []byte("%252525"), "zeros": make([]byte, 1),
	}
	for name, text := range texts {
		texts[name] = bytes.Repeat(text, 8<<20/len(text)+1)[:8<<20]
	}
	return texts
}

func BenchmarkScan(b *testing.B) {
	for name, text := range benchTexts(b) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := (Scanner{}).Scan(bytes.NewReader(text), func(Find) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
