package stores

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// engine is a store that differs from the next in no setting.
func engine() *Redis { return &Redis{Addresses: []string{"localhost:6379"}} }

func location(t *testing.T, s *Redis) string {
	t.Helper()
	if err := s.Provision(caddy.Context{}); err != nil {
		t.Fatal(err)
	}
	return s.Location()
}

// A reload with any other setting opens another store, also with one that is
// added later; a reload with the same ones goes on with the store that is open.
func TestEverySettingIsAnotherStore(t *testing.T) {
	t.Setenv("KEYGATE_TEST_SECRET", "a secret")
	values := map[string]any{
		"Addresses": []string{"localhost:6380"}, "Username": "{env.KEYGATE_TEST_SECRET}", "Password": "{env.KEYGATE_TEST_SECRET}",
		"TLS": &RedisTLS{ServerName: "engine"}, "Limits": "leased", "OnOutage": "share", "Sentinel": "set", "Prefix": "other", "Create": "off",
		"SentinelUsername": "{env.KEYGATE_TEST_SECRET}", "SentinelPassword": "{env.KEYGATE_TEST_SECRET}",
	}
	seen := map[string]string{location(t, engine()): "none"}
	if len(seen) != 1 || seen[location(t, engine())] == "" {
		t.Error("the same settings are two stores")
	}
	typ := reflect.TypeFor[Redis]()
	for i := range typ.NumField() {
		field := typ.Field(i)
		if !field.IsExported() {
			continue
		}
		s := engine()
		value := reflect.ValueOf(s).Elem().Field(i)
		if sample, ok := values[field.Name]; ok {
			value.Set(reflect.ValueOf(sample))
		} else {
			switch value.Kind() {
			case reflect.Int:
				value.SetInt(1)
			case reflect.Int64: // a duration
				value.SetInt(100_000_000)
			default:
				t.Errorf("no value for %s", field.Name)
			}
		}
		if strings.HasPrefix(field.Name, "Sentinel") {
			s.Sentinel = "set" // without which they are refused
		}
		at := location(t, s)
		if seen[at] != "" {
			t.Errorf("a store with another %s is the store with another %s", field.Name, seen[at])
		}
		if strings.Contains(at, "a secret") {
			t.Errorf("the location tells a secret: %s", at)
		}
		seen[at] = field.Name
	}
}

// Another password is another store, though the config says the same.
func TestSecretIsPartOfTheLocation(t *testing.T) {
	locations := make(map[string]bool)
	for _, secret := range []string{"one", "two", "one"} {
		t.Setenv("KEYGATE_TEST_SECRET", secret)
		s := engine()
		s.Password = "{env.KEYGATE_TEST_SECRET}"
		locations[location(t, s)] = true
	}
	if len(locations) != 2 {
		t.Errorf("%d stores, want 2", len(locations))
	}
}

func TestBoltLocation(t *testing.T) {
	t.Chdir(t.TempDir())
	relative, absolute := &Bolt{Path: "data/keys.db"}, &Bolt{}
	wd, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	absolute.Path = filepath.Join(wd, "data", "keys.db")
	for _, s := range []*Bolt{relative, absolute} {
		if err := s.Provision(caddy.Context{}); err != nil {
			t.Fatal(err)
		}
	}
	if relative.Location() != absolute.Location() || !filepath.IsAbs(relative.Location()) {
		t.Errorf("%s and %s", relative.Location(), absolute.Location())
	}
	empty := &Bolt{Path: "{env.KEYGATE_TEST_NOTHING}"}
	if err := empty.Provision(caddy.Context{}); err == nil {
		t.Errorf("a placeholder of nothing is %s", empty.Location())
	}
}
