//go:build fleet

package redisstore

import (
	"fmt"
	"testing"
	"time"

	"github.com/socialpatra/keygate/keystore"
)

// BenchmarkList asks for one page of 50,000 keys.
func BenchmarkList(b *testing.B) {
	s := filled(b, 50_000)
	for _, tt := range []struct {
		name string
		q    keystore.Query
	}{
		{"no filter", keystore.Query{}},
		{"name that no key has", keystore.Query{Name: "nowhere"}},
		{"never used", keystore.Query{NeverUsed: true, Sort: keystore.SortCreated}},
		{"expiring", keystore.Query{Expiring: time.Hour, Now: time.Now()}},
		{"by name", keystore.Query{Sort: keystore.SortName}},
		{"by last use", keystore.Query{Sort: keystore.SortLastUsed}},
	} {
		b.Run(fmt.Sprint(tt.name), func(b *testing.B) {
			for b.Loop() {
				if _, err := s.List(tt.q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
