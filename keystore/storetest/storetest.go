// Package storetest is the contract of [keystore.Store] as tests. A store that
// passes them can be used wherever Keygate wants one.
package storetest

import (
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// Factory makes the stores to be tested. Each of its functions fails t where it
// cannot, and sees to it that what it opened is closed when t ends.
type Factory struct {
	// New opens an empty store.
	New func(t *testing.T) keystore.Store

	// Reopen closes a store that New, Reopen or Restore opened, and opens it
	// again as a new process would.
	Reopen func(t *testing.T, s keystore.Store) keystore.Store

	// Restore opens a store from what Backup wrote.
	Restore func(t *testing.T, backup io.Reader) keystore.Store

	// Tamper closes a store, writes to its engine what the store never would,
	// and opens it again. What is damaged there is no reason to fail.
	Tamper func(t *testing.T, s keystore.Store, what Tampering) keystore.Store

	// LimitsElsewhere says that the store's engine holds keys to their limits by
	// counts of its own, so that what is charged need not outlive a key here.
	LimitsElsewhere bool
}

// Run tests a store against the whole contract.
func Run(t *testing.T, f Factory) {
	t.Run("lookup does not allocate", func(t *testing.T) { testLookupAllocs(t, f) }) // not beside others
	for _, tt := range []struct {
		name string
		run  func(*testing.T, Factory)
	}{
		{"create", testCreate},
		{"create refuses", testCreateRefuses},
		{"create all", testCreateAll},
		{"create all or nothing", testCreateAllRefused},
		{"opaque", testOpaque},
		{"opaque hashes differ", testOpaqueHash},
		{"opaque keys rotated", testOpaqueRotated},
		{"opaque keys imported", testImportOpaque},
		{"fields", testFields},
		{"every field", testEveryField},
		{"update", testUpdate},
		{"update keeps what never changes", testUpdateFixed},
		{"update refused by edit", testUpdateRefused},
		{"update of nothing", testUpdateNothing},
		{"update with a reason", testReason},
		{"rotate", testRotate},
		{"rotate refused", testRotateRefused},
		{"accounts", testAccounts},
		{"charges outlive their key", testChargesOutliveTheirKey},
		{"delete", testDelete},
		{"delete refused by check", testDeleteRefused},
		{"delete what is damaged", testDeleteDamaged},
		{"memory is not shared", testNoSharing},
		{"list in pages", testListPages},
		{"pages of every size", testPageSizes},
		{"list filters", testListFilters},
		{"list while keys come and go", testListChanging},
		{"list in every order", testListOrders},
		{"list while keys move", testListMoving},
		{"list what is not damaged", testListDamaged},
		{"list refuses", testListRefuses},
		{"scopes that are held", testHeldScopes},
		{"scopes that a workspace holds", testHeldScopesOfWorkspace},
		{"usage", testUsage},
		{"usage never shrinks", testUsageGrows},
		{"usage since a day", testUsageSince},
		{"use of workspaces", testWorkspaceUsage},
		{"limits of workspaces", testWorkspaceLimits},
		{"workspaces of one letter", testOneLetter},
		{"minute buckets", testBuckets},
		{"last used", testLastUsed},
		{"seen", testSeen},
		{"seen anew", testSeenAnew},
		{"seen of scopes that change", testSeenModel},
		{"audit", testAudit},
		{"audit in pages", testAuditPages},
		{"audit holds no secret", testAuditSecret},
		{"audit of nothing", testAuditOfNothing},
		{"trail of a workspace", testWorkspaceTrail},
		{"trail of a workspace that is pruned", testWorkspaceTrailPruned},
		{"trail of a workspace with damaged keys", testWorkspaceTrailDamaged},
		{"trail from its beginning", testAuditAfter},
		{"trail from its beginning with damage", testAuditAfterDamaged},
		{"outbox", testOutbox},
		{"outbox in a backup", testOutboxBackup},
		{"outboxes that nobody wants", testForgetOutboxes},
		{"outbox while keys change", testOutboxWhileChanging},
		{"bound of live keys", testMaxLive},
		{"bound of live keys at once", testMaxLiveAtOnce},
		{"bound of live keys at random", testMaxLiveModel},
		{"check", testCheck},
		{"check opaque hashes", testCheckSameHash},
		{"prune", testPrune},
		{"prune in batches", testPruneMany},
		{"brand", testBrand},
		{"counts", testCounts},
		{"expiring", testExpiring},
		{"expiring at once", testExpiringMany},
		{"backup", testBackup},
		{"closed", testClosed},
		{"reopened", testReopened},
		{"revoked at once under load", testRevokeUnderLoad},
		{"no update is lost", testLostUpdate},
		{"all at once", testAllAtOnce},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.run(t, f)
		})
	}
}

// now is when everything in these tests happens.
var now = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

var by = keystore.Actor{At: now, Via: "offline"}

// keyID returns the nth ID. IDs sort as their numbers do.
func keyID(n int) apikey.ID {
	id := apikey.ID{}
	for i := range id {
		id[i] = '0'
	}
	for i := len(id) - 1; n > 0; i-- {
		id[i] = byte('0' + n%10)
		n /= 10
	}
	return id
}

// hashOf returns a hash that no other number has.
func hashOf(n int) (h apikey.Hash) {
	binary.BigEndian.PutUint64(h[:], uint64(n)+1)
	return h
}

// newKey returns the nth key, valid and with nothing in it but the least.
func newKey(t *testing.T, n int) apikey.Key {
	t.Helper()
	k := apikey.Key{
		ID:        keyID(n),
		Prefix:    apikey.Prefix("patra", keyID(n)),
		Hash:      hashOf(n),
		Workspace: "acme",
		Name:      "Zapier",
		Scopes:    []string{"posts:read"},
		CreatedAt: now.Add(-time.Hour),
	}
	if err := k.Normalize(); err != nil {
		t.Fatal(err)
	}
	return k
}

// fullKey returns the nth key with every field set.
func fullKey(t *testing.T, n int) apikey.Key {
	t.Helper()
	k := newKey(t, n)
	k.Description = "für die Werbung ✓"
	k.Scopes = []string{"media:upload", "posts:write"}
	k.Limits = apikey.Limits{PerMinute: 600, PerDay: 100_000, Burst: 30}
	k.AllowedOrigins = []string{"https://shop.example", "https://*.shop.example:8443"}
	k.AllowedIPs = []string{"203.0.113.7", "2001:db8::/32"}
	k.ExpiresAt = now.Add(24 * time.Hour)
	k.RevokedAt = now.Add(-time.Minute)
	k.Disabled = true
	k.RotatedFrom, k.ReplacedBy = keyID(n+1), keyID(n+2)
	if err := k.Normalize(); err != nil {
		t.Fatal(err)
	}
	return k
}

func create(t *testing.T, s keystore.Store, keys ...apikey.Key) {
	t.Helper()
	for _, k := range keys {
		if err := s.Create(k, by); err != nil {
			t.Fatalf("create %s: %v", k.ID, err)
		}
	}
}

func update(t *testing.T, s keystore.Store, id apikey.ID, action string, edit func(*apikey.Key)) apikey.Key {
	t.Helper()
	k, err := s.Update(id, action, by, func(k *apikey.Key) error { edit(k); return nil })
	if err != nil {
		t.Fatalf("%s %s: %v", action, id, err)
	}
	return k
}

func revoke(k *apikey.Key) { k.RevokedAt = now }

// wantKey fails unless Get returns want and Lookup its grant.
func wantKey(t *testing.T, s keystore.Store, want apikey.Key) {
	t.Helper()
	got, err := s.Get(want.ID)
	if err != nil {
		t.Fatalf("get %s: %v", want.ID, err)
	}
	if !equal(got, want) {
		t.Errorf("get %s:\n%+v\nwant\n%+v", want.ID, got, want)
	}
	grant, ok, err := s.Lookup(want.ID)
	if err != nil || !ok {
		t.Fatalf("lookup %s: %t, %v", want.ID, ok, err)
	}
	wantGrant(t, grant, want)
}

func wantGrant(t *testing.T, got apikey.Grant, k apikey.Key) {
	t.Helper()
	want, err := k.Grant()
	if err != nil {
		t.Fatal(err)
	}
	same := got.Hash == want.Hash && got.State == want.State && got.ExpiresAt == want.ExpiresAt &&
		got.Limits == want.Limits && got.Workspace == want.Workspace &&
		got.Scopes.Joined == want.Scopes.Joined && slices.Equal(got.Scopes.List, want.Scopes.List) &&
		(got.Places == nil) == (want.Places == nil)
	if same && want.Places != nil {
		same = slices.Equal(got.Places.Origins, want.Places.Origins) && slices.Equal(got.Places.IPs, want.Places.IPs)
	}
	if !same {
		t.Errorf("lookup %s:\n%+v\nwant\n%+v", k.ID, got, want)
	}
}

// wantNone fails unless the store knows no such key.
func wantNone(t *testing.T, s keystore.Store, id apikey.ID) {
	t.Helper()
	if _, err := s.Get(id); !errors.Is(err, keystore.ErrNotFound) {
		t.Errorf("get %s: %v; want ErrNotFound", id, err)
	}
	if grant, ok, err := s.Lookup(id); ok || err != nil || grant != (apikey.Grant{}) {
		t.Errorf("lookup %s: %t, %v; want the zero grant, false, no error", id, ok, err)
	}
}

func equal(a, b apikey.Key) bool {
	return a.ID == b.ID && a.Prefix == b.Prefix && a.Hash == b.Hash && a.Opaque == b.Opaque &&
		a.Workspace == b.Workspace && a.Name == b.Name && a.Description == b.Description &&
		slices.Equal(a.Scopes, b.Scopes) && a.Limits == b.Limits &&
		slices.Equal(a.AllowedOrigins, b.AllowedOrigins) && slices.Equal(a.AllowedIPs, b.AllowedIPs) &&
		a.CreatedAt.Equal(b.CreatedAt) && a.ExpiresAt.Equal(b.ExpiresAt) && a.RevokedAt.Equal(b.RevokedAt) &&
		a.Disabled == b.Disabled && a.RotatedFrom == b.RotatedFrom && a.ReplacedBy == b.ReplacedBy && a.Warned == b.Warned
}
