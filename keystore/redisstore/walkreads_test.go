//go:build fleet

package redisstore

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/internal/redis/redistest"
	"github.com/socialpatra/keygate/keystore"
)

// TestWalkReads lets every fault happen to every call of what only reads: the
// answer is the right one, or an error.
func TestWalkReads(t *testing.T) {
	server := redistest.Start(t)
	well := open(t, calm(server.Addr))
	var keys []apikey.Key
	for n := range 3 {
		keys = append(keys, testKey(n))
		keys[n].Opaque = n == 1
	}
	if err := errors.Join(well.CreateAll(keys, by, nil), well.SaveUsage([]apikey.Usage{{ID: keys[0].ID, Day: 20000, Allowed: 1}}, nil)); err != nil {
		t.Fatal(err)
	}
	c := config(server.Addr)
	c.Timeout, c.Heartbeat = 100*time.Millisecond, 50*time.Millisecond
	var cases sync.WaitGroup
	for name, read := range map[string]func(*Store) (string, error){
		"lookup": func(s *Store) (string, error) { _, ok, err := s.Lookup(keys[0].ID); return fmt.Sprint(ok), err },
		"lookup of none": func(s *Store) (string, error) {
			_, ok, err := s.Lookup(testKey(99).ID)
			return fmt.Sprint(ok), err
		},
		"lookup opaque": func(s *Store) (string, error) {
			id, _, ok, err := s.LookupOpaque(keys[1].Hash)
			return fmt.Sprint(id, ok), err
		},
		"list":   func(s *Store) (string, error) { all, err := allKeys(s, ""); return fmt.Sprint(len(all)), err },
		"scopes": func(s *Store) (string, error) { h, err := s.HeldScopes("", 1); return fmt.Sprint(h), err },
		"audit": func(s *Store) (string, error) {
			page, err := s.Audit(keystore.AuditQuery{Key: keys[0].ID})
			return fmt.Sprint(page), err
		},
		"use": func(s *Store) (string, error) {
			n := 0
			err := s.UsageSince(0, func(apikey.Usage) { n++ }, func(apikey.WorkspaceUsage) {})
			return fmt.Sprint(n), err
		},
		"seen": func(s *Store) (string, error) {
			seen, err := s.Seen([]apikey.ID{keys[0].ID, testKey(99).ID})
			return fmt.Sprint(seen), err
		},
		"check": func(s *Store) (string, error) {
			n, err := s.Check(func(string, error) { t.Error("a problem was found") })
			return fmt.Sprint(n), err
		},
		"backup": func(s *Store) (string, error) {
			var file bytes.Buffer
			err := s.Backup(&file)
			return fmt.Sprint(file.Len() > 0), err
		},
	} {
		cases.Go(func() {
			want, err := read(well)
			if err != nil {
				t.Error(name, err)
				return
			}
			for fault := range redistest.Faults {
				if os.Getenv("KEYGATE_LONG") == "" && fault != redistest.LoseAnswer && fault != redistest.ResetBefore {
					continue
				}
				for call := 1; readBroken(t, server, c, call, fault, name, want, read); call++ {
				}
			}
		})
	}
	cases.Wait()
}

// readBroken reads with a fault. It reports false where there is no such call.
func readBroken(t *testing.T, server *redistest.Server, c redis.Config, call int, fault redistest.Fault, name, want string,
	read func(*Store) (string, error),
) bool {
	gate := redistest.NewGate(t, server.Addr)
	c.Addresses = []string{gate.Addr}
	s := open(t, c)
	defer s.Close()
	gate.Break(call, fault, ofStore)
	got, err := read(s)
	if err == nil && got != want || err != nil && !keystore.IsFailure(err) {
		t.Errorf("%s, %s of call %d: %s, %v; want %s", name, fault, call, got, err, want)
	}
	return gate.Broken() != nil
}
