// Package addresses knows on which addresses a config listens, before it does.
package addresses

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/socialpatra/keygate/internal/listening"
)

// Refuse returns an error if another process accepts connections where the config
// that is being loaded is to listen: on its admin endpoint, or for one of its
// sites. site may be nil. The error wraps a [*listening.TakenError].
func Refuse(ctx caddy.Context, sites *caddyhttp.App) error {
	if err := listening.Check(Parse(adminAddress(ctx))); err != nil {
		return fmt.Errorf("%w, which this Caddy would take it from, so that nobody could manage that one: stop it first, "+
			"give this one another admin address, or change the config of that one with caddy reload", err)
	}
	if sites == nil {
		return nil
	}
	var all []listening.Address
	for _, server := range sites.Servers {
		for _, address := range server.Listen {
			all = append(all, Parse(address)...)
		}
	}
	if err := listening.Check(all); err != nil {
		return fmt.Errorf("%w: stop that one first, or give this one another address; two Caddys that share an address answer by turns, each with its own keys", err)
	}
	return nil
}

// adminAddress returns the address of the admin endpoint of a config, or "" if it
// has none. Caddy does not tell its modules, so the field is read where it is. If a
// later Caddy has it elsewhere, the result is "", and nothing is checked.
func adminAddress(ctx caddy.Context) string {
	admin := reflect.ValueOf(ctx)
	for _, field := range [...]string{"cfg", "Admin"} {
		if admin = reflect.Indirect(admin.FieldByName(field)); !admin.IsValid() || admin.Kind() != reflect.Struct {
			return ""
		}
	}
	listen, disabled := admin.FieldByName("Listen"), admin.FieldByName("Disabled")
	if listen.Kind() != reflect.String || disabled.Kind() != reflect.Bool || disabled.Bool() {
		return ""
	}
	if listen.String() == "" {
		return caddy.DefaultAdminListen
	}
	return caddy.NewReplacer().ReplaceKnown(listen.String(), "")
}

// Parse returns the addresses that one of Caddy's stands for, which may have
// several ports. What is neither a Unix socket nor TCP is none.
func Parse(address string) []listening.Address {
	parsed, err := caddy.ParseNetworkAddress(address)
	if address == "" || err != nil {
		return nil
	}
	switch parsed.Network {
	case "unix":
		path, _, _ := strings.Cut(parsed.Host, "|") // the mode follows
		if path == "" || strings.HasPrefix(path, "@") {
			return nil
		}
		return []listening.Address{{Path: path}}
	case "tcp", "tcp4", "tcp6":
		var all []listening.Address
		for port := parsed.StartPort; port <= parsed.EndPort; port++ {
			all = append(all, listening.TCP(parsed.Host, port)...)
		}
		return all
	default:
		return nil
	}
}
