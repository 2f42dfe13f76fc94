package stores

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/socialpatra/keygate/caddymodule/caddyargs"
	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/keystore"
)

func init() {
	caddy.RegisterModule(Redis{})
}

// Redis keeps keys and limits on Redis 6 or later, or Valkey, for any number of
// gateways that share them: one server, a Sentinel set or a Cluster. Keys are
// answered from memory, which is kept current by Redis invalidation messages, so
// that a revocation takes effect everywhere within milliseconds. Limits are
// charged on the engine, so that 60 per minute are 60 across the fleet.
//
// Gateways with the same engine and prefix are one fleet.
type Redis struct {
	// The addresses of the engine: 1–64 of host:port. Several are any nodes of
	// a Cluster or, with sentinel, the sentinels. Placeholders are expanded.
	// Required.
	Addresses []string `json:"addresses,omitempty"`

	// The name of the master set that the sentinels watch. Default: no Sentinel.
	Sentinel string `json:"sentinel,omitempty"`

	// The user to log in as, a placeholder such as {env.REDIS_USERNAME} or
	// {file./run/secrets/redis-username}. Default: the engine's default user.
	Username string `json:"username,omitempty"`

	// The user's password, a placeholder such as {env.REDIS_PASSWORD} or
	// {file./run/secrets/redis}. A literal password is refused, because whoever
	// may read the config would see it. Default: none.
	Password string `json:"password,omitempty"`

	// The user to log in as at the sentinels, a placeholder too. Default: their
	// default user.
	SentinelUsername string `json:"sentinel_username,omitempty"`

	// The sentinel user's password, a placeholder too. Default: none.
	SentinelPassword string `json:"sentinel_password,omitempty"`

	// Speak TLS. Default: plain TCP.
	TLS *RedisTLS `json:"tls,omitempty"`

	// The beginning of every name on the engine: up to 64 letters, digits, dots,
	// dashes and underscores. Default: keygate.
	Prefix string `json:"prefix,omitempty"`

	// How long the engine may take for one answer, 10ms–10s. A request that
	// needs several answers waits at most twice this long, and not at all once
	// the engine is known to be away. Default: 250ms.
	Timeout caddy.Duration `json:"timeout,omitempty"`

	// How often the engine has to prove that it is there, 50ms–10s. A gateway
	// that is cut off stops accepting keys after twice this time and stale_max.
	// Default: 250ms.
	Heartbeat caddy.Duration `json:"heartbeat,omitempty"`

	// How long keys that were seen before are accepted while the engine is away,
	// up to 24h. A gateway that is cut off may accept a revoked key for as long.
	// Default: 0, not at all.
	StaleMax caddy.Duration `json:"stale_max,omitempty"`

	// How many replicas a change waits for, 0–16, at most for timeout. The
	// admin API reports whether that many had the change. Default: 0.
	Replicas int `json:"replicas,omitempty"`

	// How the limits are shared: exact (each request is charged on the engine) or
	// leased (a gateway takes short-lived batches for keys in heavy use, and the
	// fleet may pass a little more; see docs/fleet.md). Default: exact.
	Limits string `json:"limits,omitempty"`

	// What replaces the limits while the engine is away, for keys that are still
	// accepted: closed (they are answered 503), share (each gateway grants its
	// share of every limit) or open (no limits). Default: closed.
	OnOutage string `json:"on_outage,omitempty"`

	// What to do if the engine has no store under the prefix: on (create one) or
	// off (do not start). With off, an engine that comes back empty, or without
	// its index, counts as an outage until its data is back. Default: on.
	Create string `json:"create,omitempty"`

	config   redis.Config
	location string
}

// RedisTLS configures TLS to the engine.
type RedisTLS struct {
	// A PEM file with the certificates of the authorities that may sign the
	// engine's certificate. Default: the system's.
	CA string `json:"ca,omitempty"`

	// A PEM file with a client certificate. Needs key. Default: none.
	Cert string `json:"cert,omitempty"`

	// A PEM file with the certificate's private key. Needs cert. Default: none.
	Key string `json:"key,omitempty"`

	// The name that the engine's certificate must have. Default: the host of the
	// connection.
	ServerName string `json:"server_name,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (Redis) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "keygate.stores.redis",
		New: func() caddy.Module { return new(Redis) },
	}
}

// Options whose value is one of several words. The first word is the default.
var (
	limitChoice  = caddyargs.Choice{Option: "limits", Words: []string{"exact", "leased"}}
	outageChoice = caddyargs.Choice{Option: "on_outage", Words: []string{"closed", "share", "open"}}
	createChoice = caddyargs.Choice{Option: "create", Words: []string{"on", "off"}}
)

const (
	maxAddresses = 64
	maxReplicas  = 16
	maxStale     = 24 * time.Hour
)

// Provision checks the configuration. It connects to nothing.
func (s *Redis) Provision(caddy.Context) error {
	if err := s.check(); err != nil {
		return err
	}
	if s.Limits == "" {
		s.Limits = limitChoice.Words[0]
	}
	if s.OnOutage == "" {
		s.OnOutage = outageChoice.Words[0]
	}
	repl := caddy.NewReplacer()
	var addresses []string
	for _, address := range s.Addresses {
		expanded, err := repl.ReplaceOrErr(address, true, true)
		if err != nil {
			return fmt.Errorf("store redis: address: %w", err)
		}
		addresses = append(addresses, expanded)
	}
	s.config = s.configFor(addresses)
	for _, secret := range []struct {
		name, value string
		to          *string
	}{
		{"username", s.Username, &s.config.Username},
		{"password", s.Password, &s.config.Password},
		{"sentinel_username", s.SentinelUsername, &s.config.SentinelUsername},
		{"sentinel_password", s.SentinelPassword, &s.config.SentinelPassword},
	} {
		if secret.value == "" {
			continue
		}
		var err error
		if *secret.to, err = repl.ReplaceOrErr(secret.value, true, true); err != nil {
			return fmt.Errorf("store redis: %s: %w", secret.name, err)
		}
	}
	if err := s.loadTLS(); err != nil {
		return fmt.Errorf("store redis: tls: %w", err)
	}
	if err := s.config.Check(); err != nil {
		return fmt.Errorf("store redis: %w", err)
	}
	return s.locate()
}

// configFor returns the part of the configuration that is known before
// placeholders are expanded.
func (s *Redis) configFor(addresses []string) redis.Config {
	return redis.Config{
		Addresses: addresses,
		Master:    s.Sentinel,
		Prefix:    s.Prefix,
		Timeout:   time.Duration(s.Timeout),
		Heartbeat: time.Duration(s.Heartbeat),
		StaleMax:  time.Duration(s.StaleMax),
	}
}

// check refuses settings that are wrong whatever the placeholders stand for.
func (s *Redis) check() error {
	if n := len(s.Addresses); n == 0 || n > maxAddresses {
		return fmt.Errorf("store redis: has %d addresses; accepted: 1 to %d, such as localhost:6379", n, maxAddresses)
	}
	for _, secret := range [...][2]string{
		{"username", s.Username},
		{"password", s.Password},
		{"sentinel_username", s.SentinelUsername},
		{"sentinel_password", s.SentinelPassword},
	} {
		if err := checkSecret(secret[0], secret[1]); err != nil {
			return err
		}
	}
	if time.Duration(s.StaleMax) > maxStale {
		return fmt.Errorf("store redis: stale_max %s is out of range; accepted: 0s to 24h", time.Duration(s.StaleMax))
	}
	if s.Replicas < 0 || s.Replicas > maxReplicas {
		return fmt.Errorf("store redis: replicas %d is out of range; accepted: 0 to %d", s.Replicas, maxReplicas)
	}
	for _, word := range []struct {
		choice caddyargs.Choice
		value  string
	}{{limitChoice, s.Limits}, {outageChoice, s.OnOutage}, {createChoice, s.Create}} {
		if word.value == "" {
			continue
		}
		if err := word.choice.Check(word.value); err != nil {
			return fmt.Errorf("store redis: %w", err)
		}
	}
	if s.Sentinel == "" && s.SentinelUsername+s.SentinelPassword != "" {
		return errors.New("store redis: a user or password of sentinels is given, but no sentinel; accepted: sentinel <master set> beside them")
	}
	if s.TLS != nil && (s.TLS.Cert == "") != (s.TLS.Key == "") {
		return errors.New("store redis: tls has one of cert and key; accepted: both or none")
	}
	known := slices.DeleteFunc(slices.Clone(s.Addresses), func(a string) bool { return strings.Contains(a, "{") })
	if len(known) == 0 {
		known = []string{"localhost:6379"} // so that the rest can be checked
	}
	if err := s.configFor(known).Check(); err != nil {
		return fmt.Errorf("store redis: %w", err)
	}
	return nil
}

var secretPlaceholder = regexp.MustCompile(`^\{(env|file)\.[^{}]+\}$`)

// checkSecret keeps secrets out of the config, because Caddy's admin endpoint
// shows the config and autosave writes it to a file.
func checkSecret(name, value string) error {
	if value == "" || secretPlaceholder.MatchString(value) {
		return nil
	}
	return fmt.Errorf("store redis: %s is not a placeholder, and would be shown with the config; accepted: {env.NAME} or {file.PATH} and nothing around it", name)
}

// Location differs between stores with any different setting, so that a reload
// with other settings opens another store.
func (s *Redis) Location() string { return s.location }

// processKey keys the digest of the credentials in a location, so that the
// location reveals nothing about a password.
var processKey = func() []byte {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return key
}()

func (s *Redis) locate() error {
	settings, err := json.Marshal(s) //nolint:gosec // secrets are placeholders in it, see checkSecret
	if err != nil {
		return err
	}
	digest := hmac.New(sha256.New, processKey)
	for _, part := range []string{s.config.Username, s.config.Password, s.config.SentinelUsername, s.config.SentinelPassword} {
		fmt.Fprintf(digest, "%d %s", len(part), part)
	}
	s.location = "redis " + string(settings) + " " + hex.EncodeToString(digest.Sum(nil))
	return nil
}

// Shared implements [Shared].
func (s *Redis) Shared() {}

// Open connects to the engine, and creates the store if there is none.
func (s *Redis) Open(logger *zap.Logger) (keystore.Store, error) {
	return openFleet(s, logger)
}

// Interface guards.
var (
	_ caddy.Provisioner = (*Redis)(nil)
	_ Module            = (*Redis)(nil)
	_ Shared            = (*Redis)(nil)
)
