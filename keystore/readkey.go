package keystore

import (
	"fmt"
	"slices"
	"strings"

	"github.com/socialpatra/keygate/apikey"
)

// keyReader reads as much of the records of the bucket keys as decisions need, one
// record after the other. What it returns of one is valid until it reads the next,
// except for the scopes and places of the grant.
//
// It makes a value once where many keys have the same. What is kept would otherwise be
// scattered among the garbage of a million keys, in pages that stay half empty.
type keyReader struct {
	key    apikey.Key
	scopes map[string]*apikey.ScopeSet
	joined []byte
}

func newKeyReader() *keyReader { return &keyReader{scopes: make(map[string]*apikey.ScopeSet)} }

// read returns an error that wraps ErrDamaged or ErrNewer.
func (r *keyReader) read(name, value []byte) (*apikey.Key, apikey.Grant, error) {
	if len(name) != apikey.IDLen {
		return nil, apikey.Grant{}, fmt.Errorf("%w: a record under the name %q, which is no key ID", ErrDamaged, name)
	}
	k, id := &r.key, apikey.ID(name)
	// One copy of the record has all strings of it.
	text := string(value)
	err := decodeKeyInto(k, id, value, func(v []byte) string {
		start := cap(value) - cap(v)
		return text[start : start+len(v)]
	})
	if err != nil {
		return nil, apikey.Grant{}, err
	}
	for i, origin := range k.AllowedOrigins {
		k.AllowedOrigins[i] = strings.Clone(origin) // or the places would keep all of the text
	}
	places, err := k.Places()
	if err != nil {
		return nil, apikey.Grant{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return k, k.GrantWith(r.scopeSet(k.Scopes), places), nil
}

// scopeSet returns the set of the scopes in list, and does not keep list.
func (r *keyReader) scopeSet(list []string) *apikey.ScopeSet {
	r.joined = r.joined[:0]
	for _, scope := range list {
		r.joined = append(append(r.joined, scope...), ' ')
	}
	set, ok := r.scopes[string(r.joined)]
	if !ok {
		own := slices.Clone(list)
		for i, scope := range own {
			own[i] = strings.Clone(scope)
		}
		set = apikey.NewScopeSet(own)
		r.scopes[string(r.joined)] = set
	}
	return set
}
