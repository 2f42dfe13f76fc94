package adminapi

import (
	"errors"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/tokenscan"
)

// HandedIn is a token that comes from somebody who need not say who they are.
type HandedIn struct {
	Token string
	Then  string // ThenReport, ThenDisable or ThenRevoke

	// By says how the token came and, as its Reason, why it is dealt with.
	By keystore.Actor

	// Imported is whether keys with tokens of other systems are looked for, whose
	// tokens may be easier to guess than our own.
	Imported bool

	// Again is asked before a key is only reported, with ThenReport or because it
	// needs no change. It says whether to record the report. nil records none.
	Again func(apikey.ID) bool
}

// HandIn deals with the key of a token, if it is the genuine one of a key. It
// returns when that is in force.
func (s *Server) HandIn(h *HandedIn) (LeakedToken, error) {
	d := dealing{hash: apikey.HashToken(h.Token), imported: h.Imported, then: h.Then, by: h.By, again: h.Again}
	for _, f := range tokenscan.In(h.Token) {
		if f.Token() == h.Token {
			d.id, d.prefix = f.ID, f.Prefix()
		}
	}
	return s.deal(&d)
}

// dealing is a token to be dealt with.
type dealing struct {
	prefix   string
	id       apikey.ID // that the token has in it; zero: none
	hash     apikey.Hash
	imported bool // whether it may be the token of another system
	then     string
	by       keystore.Actor
	again    func(apikey.ID) bool
}

func always(apikey.ID) bool { return true }

// errMeanwhile ends a change whose action no longer fits the key, because the key was
// changed after it was read.
var errMeanwhile = errors.New("the key was changed meanwhile")

// deal deals with the key of one token, if there is one. It is the only way from a
// token to a change of its key.
func (s *Server) deal(d *dealing) (t LeakedToken, err error) {
	for range 3 { // the key may change between a look at it and its change
		if t, err = s.tryToDeal(d); !errors.Is(err, errMeanwhile) {
			break
		}
	}
	return t, err
}

func (s *Server) tryToDeal(d *dealing) (LeakedToken, error) {
	t := LeakedToken{Prefix: d.prefix, Done: "nothing"}
	id, found, err := s.holderOf(d)
	if err != nil || !found {
		return t, err
	}
	key, err := s.store.Get(id)
	if err != nil {
		return t, existing(err)
	}
	used, err := s.store.LastUsed(id)
	if err != nil {
		return t, existing(err)
	}
	now := s.now()
	was, done := key.Status(now), t.Done
	action, does := actionFor(&key, d.then)
	acts := d.then != ThenLook && (action != ThenReport || d.again != nil && d.again(id))
	if acts {
		if key, err = s.store.Update(id, action, d.by, d.edit(action, now)); err != nil {
			return t, existing(err)
		}
		done = does
		if action != ThenReport {
			s.observer.KeyChanged(action, id.String(), d.by)
		}
	}
	record := key.Record(now, used)
	t = LeakedToken{Prefix: d.prefix, Done: done, Was: was, Key: &record}
	if t.Prefix == "" {
		t.Prefix = key.Prefix
	}
	if acts && d.by.Reason == ReasonLeaked {
		s.observer.KeyLeaked(&record, was, done, d.by)
	}
	return t, nil
}

// edit returns the change of a key that an action is.
func (d *dealing) edit(action string, now time.Time) func(*apikey.Key) error {
	return func(k *apikey.Key) error {
		if !k.Hash.Equal(d.hash) { // another key got the ID
			return keystore.ErrNotFound
		}
		switch is, _ := actionFor(k, d.then); {
		case is != action:
			return errMeanwhile
		case action == ThenRevoke:
			k.Revoke(now)
		case action == ThenDisable:
			k.Disabled = true
		}
		return nil
	}
}

// holderOf returns the key whose token it is: the one of the ID, or one that was
// imported with a token of another system.
func (s *Server) holderOf(d *dealing) (apikey.ID, bool, error) {
	if d.id != (apikey.ID{}) {
		grant, found, err := s.store.Lookup(d.id)
		if err != nil || found && d.hash.Equal(grant.Hash) {
			return d.id, found, err
		}
	}
	if !d.imported || !s.store.HasOpaque() {
		return d.id, false, nil
	}
	id, _, found, err := s.store.LookupOpaque(d.hash)
	return id, found, err
}

// existing returns nil for a key that was deleted meanwhile: its token is
// unknown, as it is from then on.
func existing(err error) error {
	if errors.Is(err, keystore.ErrNotFound) {
		return nil
	}
	return err
}

// actionFor returns what to do to a key, in the words of the audit trail and in those
// of the answer. A key that needs no change is only reported.
func actionFor(k *apikey.Key, then string) (action, done string) {
	switch {
	case then == ThenRevoke && k.RevokedAt.IsZero():
		return ThenRevoke, "revoked"
	case then == ThenDisable && k.RevokedAt.IsZero() && !k.Disabled:
		return ThenDisable, "disabled"
	default:
		return ThenReport, "reported"
	}
}
