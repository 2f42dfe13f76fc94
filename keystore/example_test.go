package keystore_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

func Example() {
	dir, err := os.MkdirTemp("", "keygate")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	store, err := keystore.OpenBolt(filepath.Join(dir, "keys.db"))
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	by := keystore.Actor{At: now, Via: "offline"}
	key := apikey.Key{Workspace: "acme", Name: "Zapier", Scopes: []string{"posts:read"}, CreatedAt: now}
	if err := key.Normalize(); err != nil {
		log.Fatal(err)
	}
	token, id, hash := apikey.Generate(apikey.DefaultBrand)
	key.ID, key.Hash, key.Prefix = id, hash, apikey.Prefix(apikey.DefaultBrand, id)
	if err := store.Create(key, by); err != nil {
		log.Fatal(err)
	}

	show := func() {
		grant, ok, err := store.Lookup(id)
		if err != nil || !ok {
			log.Fatal(ok, err)
		}
		fmt.Println(grant.Workspace, grant.Status(now), grant.Hash.Equal(apikey.HashToken(token)))
	}
	show()
	_, err = store.Update(id, "revoke", by, func(k *apikey.Key) error {
		k.RevokedAt = now
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	show()
	// Output:
	// acme active true
	// acme revoked true
}
