package expiry

import (
	"fmt"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/keyfields"
	"github.com/socialpatra/keygate/keystore"
)

// BenchmarkCheck is a check of a store in which every key expires soon, none of which
// is to be announced: of all of them, and of what became due since the last check.
func BenchmarkCheck(b *testing.B) {
	const n = 200_000
	s, err := keystore.OpenBolt(b.TempDir() + "/data/keys.db")
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	keys := make([]apikey.Key, n)
	for i := range keys {
		keys[i] = keyfields.Plain(apikey.ID([]byte(fmt.Sprintf("%012d", i))))
		keys[i].CreatedAt, keys[i].ExpiresAt, keys[i].Warned = start, start.Add(50*day), 30
	}
	if err := s.CreateAll(keys, keystore.Actor{At: start}, nil); err != nil {
		b.Fatal(err)
	}
	now := start.Add(21 * day)
	for _, all := range []bool{true, false} {
		b.Run(fmt.Sprintf("all=%t", all), func(b *testing.B) {
			a := New(Options{Store: s, Now: func() time.Time { return now }})
			if err := a.Check(); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if a.allDue = now; !all {
					a.allDue = now.Add(day)
				}
				if err := a.Check(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
