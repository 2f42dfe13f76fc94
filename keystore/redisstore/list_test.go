//go:build fleet

package redisstore

import (
	"slices"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis/redistest"
	"github.com/socialpatra/keygate/keystore"
)

// Of a key whose last use cannot be read it is only known that there was one. So
// it is never taken for forgotten.
func TestListDamagedUse(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := openWith(t, calm(server.Addr), 4)
	for n := range 3 {
		succeeds(t, func() error {
			return s.AddUsage([]apikey.Usage{{ID: testKey(n).ID, Day: 20000, Allowed: 1, LastUsed: 20000 * 86400}})
		})
	}
	server.Do("HSET", s.names.useOf(testKey(0).ID), "last", "rubbish")
	server.Do("DEL", s.names.useOf(testKey(1).ID))
	server.Do("RPUSH", s.names.useOf(testKey(1).ID), "x")
	for _, tt := range []struct {
		q    keystore.Query
		want []int
	}{
		{keystore.Query{}, []int{0, 1, 2, 3}},
		{keystore.Query{NeverUsed: true}, []int{3}},
		{keystore.Query{Idle: time.Hour}, []int{2, 3}},
		{keystore.Query{Sort: keystore.SortLastUsed}, []int{0, 1, 3, 2}},
		{keystore.Query{Sort: keystore.SortName}, []int{0, 1, 2, 3}},
	} {
		tt.q.Now = by.At
		page, err := s.List(tt.q)
		var got, want []apikey.ID
		for i := range page.Keys {
			got = append(got, page.Keys[i].ID)
		}
		for _, n := range tt.want {
			want = append(want, testKey(n).ID)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("list %+v: %v, %v; want %v", tt.q, got, err, want)
		}
		damaged := slices.DeleteFunc(slices.Clone(want), func(id apikey.ID) bool { return id != testKey(0).ID && id != testKey(1).ID })
		if !slices.Equal(page.Damaged, damaged) {
			t.Errorf("list %+v: damaged %v, want %v", tt.q, page.Damaged, damaged)
		}
	}
}
