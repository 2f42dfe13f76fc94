package stores

import (
	"strconv"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/socialpatra/keygate/caddymodule/caddyargs"
)

const redisOptions = "address, sentinel, sentinel_username, sentinel_password, username, password, tls, prefix, timeout, heartbeat, stale_max, replicas, limits, on_outage, create"

// UnmarshalCaddyfile parses the store module's tokens:
//
//	redis <address>... {
//		address   <address>...
//		sentinel  <master set>
//		sentinel_username {env.NAME}|{file.PATH}
//		sentinel_password {env.NAME}|{file.PATH}
//		username  {env.NAME}|{file.PATH}
//		password  {env.NAME}|{file.PATH}
//		tls       # or a block
//		tls {
//			ca          <file>
//			cert        <file>
//			key         <file>
//			server_name <name>
//		}
//		prefix    <prefix>
//		timeout   <duration>
//		heartbeat <duration>
//		stale_max <duration>
//		replicas  <n>
//		limits    exact|leased
//		on_outage closed|share|open
//		create    on|off
//	}
//
// Addresses are needed, in front of the block or in it; the rest may be left out.
func (s *Redis) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the module's name
	s.Addresses = d.RemainingArgs()
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		option := d.Val()
		if seen[option] {
			return caddyargs.Repeated(d, "store redis "+option)
		}
		seen[option] = true
		if err := s.unmarshalOption(d, option); err != nil {
			return err
		}
	}
	if len(s.Addresses) == 0 {
		return d.Err("store redis has no address; accepted: store redis <host:port>..., such as localhost:6379")
	}
	if err := s.check(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

func (s *Redis) unmarshalOption(d *caddyfile.Dispenser, option string) error {
	switch option {
	case "address":
		addresses := d.RemainingArgs()
		if len(addresses) == 0 {
			return caddyargs.WrongCount(d, "address <host:port>..., such as localhost:6379")
		}
		s.Addresses = append(s.Addresses, addresses...)
		return caddyargs.NoBlock(d, "address <host:port>...")
	case "sentinel":
		return caddyargs.One(d, &s.Sentinel, "sentinel <master set>, such as mymaster")
	case "sentinel_username":
		return secretArg(d, option, &s.SentinelUsername)
	case "sentinel_password":
		return secretArg(d, option, &s.SentinelPassword)
	case "username":
		return secretArg(d, option, &s.Username)
	case "password":
		return secretArg(d, option, &s.Password)
	case "tls":
		return s.unmarshalTLS(d)
	case "prefix":
		return caddyargs.One(d, &s.Prefix, "prefix <prefix>, such as keygate")
	case "timeout":
		return caddyargs.Duration(d, option, &s.Timeout, "10ms to 10s, such as 250ms")
	case "heartbeat":
		return caddyargs.Duration(d, option, &s.Heartbeat, "50ms to 10s, such as 250ms")
	case "stale_max":
		return caddyargs.Duration(d, option, &s.StaleMax, "0s to 24h, such as 30s")
	case "replicas":
		var value string
		if err := caddyargs.One(d, &value, "replicas <n>, such as 1"); err != nil {
			return err
		}
		n, err := strconv.Atoi(value)
		if err != nil {
			return d.Errf("replicas %s is not a number; accepted: 0 to %d", value, maxReplicas)
		}
		s.Replicas = n
		return nil
	case "limits":
		return limitChoice.Read(d, &s.Limits)
	case "on_outage":
		return outageChoice.Read(d, &s.OnOutage)
	case "create":
		return createChoice.Read(d, &s.Create)
	default:
		return d.Errf("unrecognized option '%s' of store redis; accepted: %s", option, redisOptions)
	}
}

func (s *Redis) unmarshalTLS(d *caddyfile.Dispenser) error {
	s.TLS = new(RedisTLS)
	if d.NextArg() {
		return caddyargs.WrongCount(d, "tls, or a block with ca, cert, key and server_name")
	}
	options := map[string]*string{"ca": &s.TLS.CA, "cert": &s.TLS.Cert, "key": &s.TLS.Key, "server_name": &s.TLS.ServerName}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		option := d.Val()
		value, ok := options[option]
		switch {
		case !ok:
			return d.Errf("unrecognized tls option '%s'; accepted: ca, cert, key, server_name", option)
		case *value != "":
			return caddyargs.Repeated(d, "tls "+option)
		}
		if err := caddyargs.One(d, value, option+" <value>"); err != nil {
			return err
		}
	}
	return nil
}

// secretArg reads a placeholder. Any other value is refused and not repeated in
// the error.
func secretArg(d *caddyfile.Dispenser, name string, value *string) error {
	if err := caddyargs.One(d, value, name+" {env.NAME} or {file.PATH}"); err != nil {
		return d.Errf("wrong argument count after '%s'; accepted: %s {env.NAME} or {file.PATH}", name, name)
	}
	if err := checkSecret(name, *value); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

var _ caddyfile.Unmarshaler = (*Redis)(nil)
