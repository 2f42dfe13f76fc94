package keystore

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

var listedAt = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// buildMillion makes a store of keys as they may be after two years, fewer of them with
// -short. Half of them are in one workspace.
func buildMillion(b *testing.B) string {
	b.Helper()
	million := most(1_000_000)
	path := filepath.Join(b.TempDir(), "keygate.db")
	r := rand.New(rand.NewPCG(1, 2))
	err := BuildFile(path, "patra", 0, func(f *Builder) error {
		for n := range million {
			k := testKey(b)
			k.SetToken("patra", numberedID(n), k.Hash)
			k.Workspace = fmt.Sprintf("workspace%d", n%2*(n/100))
			k.Name = fmt.Sprintf("Publishing bot %d", r.IntN(million))
			k.CreatedBy = fmt.Sprintf("user%d@acme.example", r.IntN(1000))
			k.CreatedAt = listedAt.Add(-time.Duration(r.IntN(2*365*24*60)) * time.Minute)
			k.ExpiresAt, k.RevokedAt, k.Disabled = time.Time{}, time.Time{}, r.IntN(100) == 0
			if r.IntN(2) == 0 {
				k.ExpiresAt = k.CreatedAt.Add(2 * 365 * 24 * time.Hour)
			}
			if r.IntN(100) == 0 {
				k.RevokedAt = listedAt
			}
			k.Scopes = []string{"posts:read"}
			if r.IntN(1000) == 0 {
				k.Scopes = []string{"media:upload", "posts:read"}
			}
			if err := f.Key(&k); err != nil {
				return err
			}
			if r.IntN(3) > 0 {
				if err := f.LastUsed(k.ID, listedAt.Add(-time.Duration(r.IntN(365*24*60))*time.Minute)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return path
}

// processorTime is what the process has used, which tells more than the clock on a
// machine that others use.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkListMillion asks a store of a million keys for one page.
func BenchmarkListMillion(b *testing.B) {
	s, err := OpenBolt(buildMillion(b))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	const day = 24 * time.Hour
	for _, sort := range append(Sorts(), SortID) {
		for _, tt := range []struct {
			name string
			q    Query
		}{
			{"no filter", Query{}},
			{"half of all", Query{Workspace: "workspace0"}},
			{"a small workspace", Query{Workspace: "workspace77"}},
			{"status", Query{Status: apikey.Disabled}},
			{"scope", Query{Scope: "media:upload"}},
			{"scope that no key has", Query{Scope: "posts:delete"}},
			{"name that no key has", Query{Name: "reporting"}},
			{"made by", Query{CreatedBy: "user7@acme.example"}},
			{"expiring", Query{Expiring: 30 * day}},
			{"no expiry", Query{NoExpiry: true}},
			{"idle", Query{Idle: 90 * day}},
			{"never used", Query{NeverUsed: true}},
			{"all filters", Query{Workspace: "workspace0", Status: apikey.Active, Scope: "posts:read", CreatedBy: "user7@acme.example", Name: "bot", Expiring: 600 * day, Idle: 90 * day}},
		} {
			b.Run(fmt.Sprintf("by %s/%s", sort, tt.name), func(b *testing.B) {
				b.ReportAllocs()
				tt.q.Now, tt.q.Sort, tt.q.Limit = listedAt, sort, MaxPage
				before := processorTime(b)
				for b.Loop() {
					if _, err := s.List(tt.q); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64((processorTime(b)-before).Milliseconds())/float64(b.N), "cpu-ms/op")
			})
		}
	}
}
