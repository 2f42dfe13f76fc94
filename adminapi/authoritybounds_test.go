package adminapi

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// No verb, and no sequence of them, leaves a key beyond a bound: what a caller
// has made or changed is within the bounds at that moment, whatever the admin has
// done to it before. How many live keys there are never grows beyond the maximum.
func TestNoSequenceOfVerbsPassesABound(t *testing.T) {
	const rounds, calls = 15, 80
	for seed := range uint64(rounds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 13))
			w := newWorld(t)
			bounds := randomBounds(random)
			if err := bounds.Normalize(); err != nil {
				t.Fatal(err)
			}
			caller := &Authority{Workspace: "acme", Actor: "lee", May: Verbs(), Bounds: bounds}
			done := 0
			for n := range calls {
				w.now = w.now.Add(time.Duration(random.IntN(60)) * time.Hour)
				by := caller
				if random.IntN(3) == 0 {
					by = nil // the admin, whom nothing bounds
				}
				request, body := randomChange(random, w.keys())
				live := w.live()
				status, answer := w.do(by, request, body, "")
				if by == nil || status >= 300 {
					continue
				}
				done++
				if after := w.live(); bounds.Keys > 0 && after > live && after > bounds.Keys {
					t.Fatalf("call %d, %s %s: %d live keys after %d, of at most %d", n, request, body, after, live, bounds.Keys)
				}
				if strings.HasSuffix(request, "/disable") || strings.HasSuffix(request, "/revoke") || strings.HasPrefix(request, "DELETE") {
					continue // takes from a key
				}
				k := w.answered(answer)
				if problem := beyond(&bounds, &k, w.now); problem != "" {
					t.Fatalf("call %d, %s %s, by which %s: %s", n, request, body, answer, problem)
				}
			}
			if done == 0 {
				t.Error("the caller could do nothing at all")
			}
		})
	}
}

// beyond says by which rule a key is beyond the bounds, written apart from the
// code that is tested.
func beyond(b *Bounds, k *apikey.Record, now time.Time) string {
	for _, scope := range k.Scopes {
		if b.Scopes != nil && !slices.Contains(b.Scopes, scope) {
			return "scope " + scope
		}
	}
	if k.ExpiresAt == nil && (b.Expiry.Required || b.Expiry.Max > 0) {
		return "it never expires"
	}
	if k.ExpiresAt != nil && b.Expiry.Max > 0 && k.ExpiresAt.Sub(now) > time.Duration(b.Expiry.Max)*24*time.Hour {
		return "it expires too late"
	}
	if int64(k.Limits.PerMinute) > b.PerMinute.Max || int64(k.Limits.PerDay) > b.PerDay.Max || int64(k.Limits.Burst) > b.PerMinute.Max {
		return "its limits"
	}
	for _, list := range []struct {
		presence Presence
		n        int
	}{{b.Origins, len(k.AllowedOrigins)}, {b.IPs, len(k.AllowedIPs)}} {
		if list.presence == Required && list.n == 0 || list.presence == Forbidden && list.n > 0 {
			return fmt.Sprintf("a list of %d is %s", list.n, list.presence)
		}
	}
	return ""
}

// answered returns the key in an answer, which may come with its token.
func (w *world) answered(answer string) apikey.Record {
	w.t.Helper()
	text := []byte(answer[strings.IndexByte(answer, '{'):])
	var made TokenResponse
	if err := json.Unmarshal(text, &made); err != nil {
		w.t.Fatal(err)
	}
	if made.Token != "" {
		return made.Key
	}
	var k apikey.Record
	if err := json.Unmarshal(text, &k); err != nil {
		w.t.Fatal(err)
	}
	return k
}

func (w *world) keys() []apikey.Key {
	w.t.Helper()
	page, err := w.store.List(keystore.Query{Workspace: "acme", Limit: keystore.MaxPage})
	if err != nil {
		w.t.Fatal(err)
	}
	return page.Keys
}

func (w *world) live() (n int) {
	for _, k := range w.keys() {
		if k.RevokedAt.IsZero() && (k.ExpiresAt.IsZero() || w.now.Before(k.ExpiresAt)) {
			n++
		}
	}
	return n
}

func randomBounds(random *rand.Rand) (b Bounds) {
	one := func(n ...int) int { return n[random.IntN(len(n))] }
	b.Expiry = ExpiryBounds{Default: one(0, 2, 30), Max: one(0, 3, 30, 90), Required: random.IntN(2) == 0}
	if b.Expiry.Required && b.Expiry.Default == 0 {
		b.Expiry.Default = 1
	}
	b.PerMinute = LimitBounds{Default: int64(one(0, 5, 60)), Max: int64(one(0, 10, 60, 600))}
	b.PerDay = LimitBounds{Default: int64(one(0, 5)), Max: int64(one(0, 100, 10_000))}
	b.Keys = one(0, 1, 3, 5)
	b.Origins, b.IPs = Presence([]string{"", "optional", "required", "forbidden"}[random.IntN(4)]), Presence([]string{"", "forbidden"}[random.IntN(2)])
	if random.IntN(2) == 0 {
		b.Scopes = []string{"posts:read", "posts:write"}
	}
	return b
}

// randomChange returns a change of a key that there is, or a creation.
func randomChange(random *rand.Rand, keys []apikey.Key) (request, body string) {
	var parts []string
	for _, part := range []string{
		`"name":"m"`, `"expires_in_days":1`, `"expires_in_days":30`, `"expires_in_days":3000`, `"expires_at":null`,
		`"limits":{"per_minute":5}`, `"limits":{"per_minute":60,"burst":7}`, `"limits":{"per_minute":1000,"per_day":50000}`, `"limits":{"per_day":100}`,
		`"scopes":["posts:read"]`, `"scopes":["posts:write","media:upload"]`, `"scopes":["odd:scope"],"allow_unknown_scope":true`,
		`"allowed_origins":["https://a.example"]`, `"allowed_origins":[]`, `"allowed_ips":["192.0.2.1"]`, `"allowed_ips":[]`,
	} {
		field, _, _ := strings.Cut(part, ":")
		if random.IntN(4) == 0 && !strings.Contains(strings.Join(parts, ","), field[:6]) {
			parts = append(parts, part)
		}
	}
	body = "{" + strings.Join(parts, ",") + "}"
	if len(keys) == 0 || random.IntN(3) == 0 {
		for _, needed := range []string{`"name":"n"`, `"scopes":["posts:read"]`, `"workspace":"acme"`} {
			if !strings.Contains(body, strings.SplitAfter(needed, ":")[0]) {
				body = strings.TrimSuffix(strings.TrimSuffix(body, "}"), ",") + "," + needed + "}"
			}
		}
		return "POST /keygate/keys", strings.Replace(body, "{,", "{", 1)
	}
	path := " /keygate/keys/" + keys[random.IntN(len(keys))].ID.String()
	switch random.IntN(7) {
	case 0:
		return "POST" + path + "/rotate", `{"overlap":"100h"}`
	case 1:
		return "POST" + path + "/rotate", `{"overlap":"0s"}`
	case 2:
		return "POST" + path + "/disable", ""
	case 3:
		return "POST" + path + "/enable", ""
	case 4:
		return []string{"POST", "DELETE"}[random.IntN(2)] + path + []string{"/revoke", ""}[random.IntN(2)], ""
	}
	return "PATCH" + path, body
}

// A hundred creations at once leave as many keys as a workspace may have.
func TestCreationsAtOnceKeepTheMaximum(t *testing.T) {
	w := newWorld(t)
	w.serve(w.store) // calls are not counted by many at once
	var sent sync.WaitGroup
	statuses := make([]int, 100)
	for i := range statuses {
		sent.Go(func() {
			a := &Authority{Workspace: "acme", Actor: "lee", May: Verbs(), Bounds: Bounds{Keys: 25}}
			statuses[i], _ = w.do(a, "POST /keygate/keys", `{"name":"n","scopes":["posts:read"]}`, "")
		})
	}
	sent.Wait()
	made := 0
	for _, status := range statuses {
		if status == 201 {
			made++
		} else if status != 403 {
			t.Errorf("a creation was answered %d", status)
		}
	}
	if live := w.live(); made != 25 || live != 25 {
		t.Errorf("%d of 100 were made, and %d are there", made, live)
	}
}
