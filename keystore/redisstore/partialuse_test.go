//go:build fleet

package redisstore

import (
	"errors"
	"fmt"
	"testing"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis/redistest"
	"github.com/socialpatra/keygate/keystore"
)

// allBut are patterns of all names but those of one key of testKey, as an ACL has them.
func allBut(n int) []string {
	text := fmt.Sprintf("%04d", n%10_000)
	return []string{
		"~{*", fmt.Sprintf("~*[^%c]???}", text[0]), fmt.Sprintf("~*[^%c]??}", text[1]), fmt.Sprintf("~*[^%c]?}", text[2]), fmt.Sprintf("~*[^%c]}", text[3]),
	}
}

// Where the engine does a part of what it is asked to, as a Cluster does of which a node
// is gone, the rest alone is added again: each request is counted once.
func TestUseIsAddedOnceWhateverIsRefused(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	const keys = 2*pageLen + 10
	s := openWith(t, calm(server.Addr), keys)
	for i, refused := range []int{0, 1, 250, pageLen - 1, pageLen, pageLen + 1, 2 * pageLen, keys - 1} {
		t.Run(fmt.Sprint(refused), func(t *testing.T) {
			day := apikey.Day(20000 + 10*i)
			var used []apikey.Usage
			for n := range keys {
				used = append(used, apikey.Usage{ID: testKey(n).ID, Day: day, Charged: 2, Allowed: 1, Seen: seenOf(testKey(n))}, apikey.Usage{ID: testKey(n).ID, Day: day + 1, Denied: 3})
			}
			server.Do(append([]string{"ACL", "SETUSER", "default", "resetkeys"}, allBut(refused)...)...)
			for range 3 {
				if err := s.AddUsage(used); err == nil || errors.Is(err, keystore.ErrNotWritten) {
					t.Fatalf("with one key refused: %v", err)
				}
			}
			server.Do("ACL", "SETUSER", "default", "allkeys")
			if err := s.AddUsage(used); err != nil {
				t.Fatal(err)
			}
			for n := range keys {
				got, err := s.Usage(testKey(n).ID, day, day+1)
				if err != nil || len(got) != 2 || got[0].Charged != 2 || got[0].Allowed != 1 || got[1].Denied != 3 {
					t.Fatalf("key %d: %+v, %v", n, got, err)
				}
			}
		})
	}
}
