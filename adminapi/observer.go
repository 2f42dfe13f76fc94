package adminapi

import (
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// Observer is notified of changes after they have taken effect.
type Observer interface {
	KeyChanged(action, keyID string, by keystore.Actor)
	KeysImported(keys int, by keystore.Actor)
	WorkspaceChanged(action, workspace string, by keystore.Actor)

	// KeyLeaked tells that the token of a key leaked, what its status was, and
	// what was done: reported, disabled or revoked. The record is the key after
	// that. Where it was changed, KeyChanged is called too.
	KeyLeaked(key *apikey.Record, was apikey.Status, done string, by keystore.Actor)
}

// nobody is an Observer that does nothing.
type nobody struct{}

func (nobody) KeyChanged(string, string, keystore.Actor)       {}
func (nobody) KeysImported(int, keystore.Actor)                {}
func (nobody) WorkspaceChanged(string, string, keystore.Actor) {}

func (nobody) KeyLeaked(*apikey.Record, apikey.Status, string, keystore.Actor) {}
