// Package keyset makes up keys for measurements: as many as are asked for, the
// same for the same seed, with tokens that work. They are for stores that
// nobody relies on: who knows the seed knows the tokens.
package keyset

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// Set is N keys, derived from a seed and each key's number.
type Set struct {
	N    int
	Seed uint64
}

// Workspaces returns in how many workspaces the keys are: one for each ten.
func (s Set) Workspaces() int { return max(s.N/10, 1) }

// Workspace returns the name of a workspace, 0 to Workspaces()-1. The first
// has the most keys, about √(10·N), the last but a few.
func (s Set) Workspace(i int) string { return fmt.Sprintf("workspace-%d", i) }

// Token returns the token of key i, 0 to N-1.
func (s Set) Token(i int) string { return token(s.source(i)) }

// source is seeded so that any key can be made without those before it.
func (s Set) source(i int) *rand.Rand {
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], s.Seed)
	binary.LittleEndian.PutUint64(seed[8:], uint64(i))
	return rand.New(rand.NewChaCha8(seed)) //nolint:gosec // must be the same every time
}

// token makes what [apikey.Generate] makes, which draws from crypto/rand alone.
func token(r *rand.Rand) string {
	body := apikey.DefaultBrand + "_" + base62(r, apikey.IDLen) + "_" + base62(r, apikey.SecretLen)
	var sum [apikey.ChecksumLen]byte
	crc := crc32.ChecksumIEEE([]byte(body))
	for i := len(sum) - 1; i >= 0; i-- {
		sum[i] = alphabet[crc%uint32(len(alphabet))]
		crc /= uint32(len(alphabet))
	}
	return body + string(sum[:])
}

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

func base62(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(b)
}

// epoch is when the youngest key was made. It is fixed, so that the same seed
// makes the same keys tomorrow.
var epoch = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// Key returns key i, 0 to N-1, in the form in which it is stored. Of a hundred
// keys 30 expire, of which a few have; 5 are revoked or disabled; 10 have
// origins and 15 addresses; 30 have limits of their own.
func (s Set) Key(i int) (apikey.Key, error) {
	r := s.source(i)
	text := token(r)
	id, ok := apikey.Parse(apikey.DefaultBrand, text)
	if !ok {
		return apikey.Key{}, fmt.Errorf("key %d: what was made is no token", i)
	}
	k := apikey.Key{
		ID:        id,
		Prefix:    apikey.Prefix(apikey.DefaultBrand, id),
		Hash:      apikey.HashToken(text),
		Workspace: s.Workspace(s.workspaceOf(i, r)),
		Name:      pick(r, tools) + " - " + pick(r, purposes),
		Scopes:    scopes(r),
		CreatedAt: epoch.Add(-time.Duration(r.Int64N(int64(2 * 365 * day)))).Truncate(time.Second),
	}
	if percent(r, 25) {
		k.Description = "Asked for by the " + pick(r, teams) + " team, see ticket " + fmt.Sprint(1000+r.IntN(9000))
	}
	if percent(r, 30) {
		k.ExpiresAt = k.CreatedAt.Add(time.Duration(90+r.IntN(3000)) * day)
	}
	switch n := r.IntN(100); {
	case n < 3:
		k.RevokedAt = epoch.Add(-time.Duration(r.IntN(24)) * time.Hour)
	case n < 5:
		k.Disabled = true
	}
	if percent(r, 30) {
		k.Limits.PerMinute = uint32(60 * (1 + r.IntN(20)))
		k.Limits.PerDay = uint32(10_000 * (1 + r.IntN(20)))
	}
	if percent(r, 10) {
		k.AllowedOrigins = []string{fmt.Sprintf("https://%s-%d.example", pick(r, teams), r.IntN(100_000))}
	}
	if percent(r, 15) {
		k.AllowedIPs = []string{fmt.Sprintf("10.%d.%d.0/24", r.IntN(256), r.IntN(256)), fmt.Sprintf("2001:db8:%x::7", r.IntN(1<<16))}
	}
	if err := k.Normalize(); err != nil {
		return apikey.Key{}, fmt.Errorf("key %d: %w", i, err)
	}
	return k, nil
}

// workspaceOf gives each workspace a key, and the rest to few more than many.
func (s Set) workspaceOf(i int, r *rand.Rand) int {
	if i < s.Workspaces() {
		return i
	}
	x := r.Float64()
	return int(x * x * float64(s.Workspaces()))
}

// scopes returns one to four of the catalogue.
func scopes(r *rand.Rand) []string {
	catalogue := apikey.Catalogue()
	var list []string
	for range 1 + r.IntN(4) {
		list = append(list, catalogue[r.IntN(len(catalogue))].Scope)
	}
	return list
}

func percent(r *rand.Rand, n int) bool { return r.IntN(100) < n }

func pick(r *rand.Rand, list []string) string { return list[r.IntN(len(list))] }

var (
	tools    = []string{"Zapier", "Make", "Hootsuite bridge", "Shop plugin", "Newsroom CMS", "n8n", "Internal dashboard", "CI"}
	purposes = []string{"product launches", "weekly report", "holiday campaign", "customer stories", "job posts", "press releases", "Müller & Söhne"}
	teams    = []string{"marketing", "press", "shop", "data", "support"}
)
