package command

import (
	"cmp"
	"encoding/json"
	"maps"
	"reflect"
	"slices"

	"github.com/socialpatra/keygate/access/lint"
)

// cacheSettings are the settings of Souin that matter here, of one handler or of
// all.
type cacheSettings struct {
	Key               cacheKey            `json:"key"`
	Mode              string              `json:"mode"`
	DisableCoalescing bool                `json:"disable_coalescing"`
	CacheKeys         map[string]cacheKey `json:"cache_keys"`
}

type cacheKey struct {
	Headers       []string `json:"headers"`
	Template      string   `json:"template"`
	Hash          bool     `json:"hash"`
	Hide          bool     `json:"hide"`
	DisableVary   bool     `json:"disable_vary"`
	DisableBody   bool     `json:"disable_body"`
	DisableHost   bool     `json:"disable_host"`
	DisableMethod bool     `json:"disable_method"`
	DisableQuery  bool     `json:"disable_query"`
	DisableScheme bool     `json:"disable_scheme"`
}

// newCache reads a cache handler. If it has no key or mode of its own, those of
// the app apply. Coalescing is set by each handler alone.
func newCache(handler, app any) lint.Cache {
	var own struct {
		Configuration struct {
			DefaultCache cacheSettings
			CacheKeys    map[string]cacheKey `json:"cache_keys"`
		}
	}
	var all cacheSettings
	decode(handler, &own)
	decode(app, &all)
	s := own.Configuration.DefaultCache
	if s.Key.isZero() {
		s.Key = all.Key
	}
	keys := []cacheKey{s.Key}
	for _, more := range []map[string]cacheKey{own.Configuration.CacheKeys, all.CacheKeys} {
		for _, pattern := range slices.Sorted(maps.Keys(more)) {
			keys = append(keys, more[pattern])
		}
	}
	c := lint.Cache{Coalesces: !s.DisableCoalescing, Mode: cmp.Or(s.Mode, all.Mode)}
	for _, key := range keys {
		c.IgnoresVary = c.IgnoresVary || key.DisableVary
		c.Keys = append(c.Keys, lint.CacheKey{Headers: key.Headers, Template: key.Template, Hash: key.Hash})
	}
	return c
}

// isZero reports whether Souin treats the key as not configured.
func (k cacheKey) isZero() bool {
	headers := len(k.Headers)
	k.Headers = nil
	return headers == 0 && reflect.ValueOf(k).IsZero()
}

// decode reads what has the expected type. A cache with unexpected settings thus
// looks like one without settings, which is reported.
func decode(tree, v any) {
	if encoded, err := json.Marshal(tree); err == nil {
		_ = json.Unmarshal(encoded, v)
	}
}
