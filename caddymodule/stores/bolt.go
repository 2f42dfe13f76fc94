package stores

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"github.com/socialpatra/keygate/caddymodule/caddyargs"
	"github.com/socialpatra/keygate/keystore"
)

func init() {
	caddy.RegisterModule(Bolt{})
}

// Bolt keeps keys in one bbolt file on this machine. One process owns the file at
// a time. All others use that process's admin API.
type Bolt struct {
	// The file. A relative path is relative to the folder that Caddy was
	// started in. The folder is created with mode 0700, the file with 0600.
	// Placeholders such as {env.KEYGATE_DB} are expanded.
	// Default: keygate/keys.db under Caddy's data folder.
	Path string `json:"path,omitempty"`

	// What to do if there is no file: on (make a new store) or off (do not
	// start). With off, a volume that is not mounted or a mistyped path cannot
	// look like a store without keys. Default: on.
	Create string `json:"create,omitempty"`

	abs string
}

// CaddyModule returns the Caddy module information.
func (Bolt) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "keygate.stores.bbolt",
		New: func() caddy.Module { return new(Bolt) },
	}
}

// Provision determines the path of the file, and refuses what is there if it
// cannot be a store. It creates nothing. Checking early matters: once the servers
// of the new config run, their requests would be refused until the reload has
// failed.
func (s *Bolt) Provision(caddy.Context) error {
	if s.Create != "" {
		if err := createChoice.Check(s.Create); err != nil {
			return fmt.Errorf("store bbolt: %w", err)
		}
	}
	path := caddy.NewReplacer().ReplaceKnown(s.Path, "")
	if s.Path != "" && path == "" {
		return fmt.Errorf("the path of the key store, %s, is empty once its placeholders are expanded", s.Path)
	}
	if path == "" {
		path = defaultStorePath()
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("the path of the key store: %w", err)
	}
	s.abs = abs
	return keystore.CheckPath(abs)
}

func defaultStorePath() string {
	return filepath.Join(caddy.AppDataDir(), "keygate", "keys.db")
}

// Location returns the absolute path of the file.
func (s *Bolt) Location() string { return s.abs }

// Open opens the file, or creates it if it may.
func (s *Bolt) Open(logger *zap.Logger) (keystore.Store, error) {
	open := keystore.OpenBolt
	if s.Create == "off" {
		open = keystore.OpenExistingBolt
	}
	store, err := open(s.abs)
	if errors.Is(err, fs.ErrNotExist) && s.Create == "off" {
		return nil, fmt.Errorf("%w, and create off keeps this Caddy from making a new store: correct the path or mount the volume; "+
			"make the first one with caddy keygate init, or bring one back with caddy keygate restore", err)
	}
	if err != nil {
		return nil, err
	}
	for _, damaged := range store.Damaged() {
		logger.Error("a record in the key store is damaged; its key is refused", zap.String("store", s.abs), zap.Error(damaged))
	}
	for _, dropped := range store.Dropped() {
		logger.Error("a record of the use of one second was damaged and is dropped; it counts no more", zap.String("store", s.abs), zap.Error(dropped))
	}
	return store, nil
}

// UnmarshalCaddyfile parses the store module's tokens:
//
//	bbolt [<path>] {
//		create on|off
//	}
func (s *Bolt) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the module's name
	if d.NextArg() {
		s.Path = d.Val()
	}
	if d.NextArg() {
		return caddyargs.WrongCount(d, "bbolt [<path>], such as bbolt ./data/keygate.db")
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		switch {
		case d.Val() != "create":
			return d.Errf("unrecognized subdirective '%s'; accepted in the bbolt store: create", d.Val())
		case s.Create != "":
			return caddyargs.Repeated(d, "store bbolt create")
		}
		if err := createChoice.Read(d, &s.Create); err != nil {
			return err
		}
	}
	return nil
}

// Interface guards.
var (
	_ caddy.Provisioner     = (*Bolt)(nil)
	_ caddyfile.Unmarshaler = (*Bolt)(nil)
	_ Module                = (*Bolt)(nil)
)
