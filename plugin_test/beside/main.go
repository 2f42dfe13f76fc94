// Command beside is standard Caddy with Keygate and the plugins that people most
// often have beside it. It is a module of its own, so that what those need stays
// out of Keygate's, and of the build that tests caches.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddyserver/cache-handler"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
	_ "github.com/corazawaf/coraza-caddy/v2"
	_ "github.com/dunglas/mercure/caddy"
	_ "github.com/greenpau/caddy-security"
	_ "github.com/mholt/caddy-ratelimit"
	_ "github.com/socialpatra/keygate"
)

func main() {
	caddycmd.Main()
}
