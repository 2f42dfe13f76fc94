// Command plugins is standard Caddy with Keygate and the plugins of others that
// tests put beside it. It is a module of its own, so that what those need stays
// out of Keygate's.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddyserver/cache-handler"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
	_ "github.com/socialpatra/keygate"
)

func main() {
	caddycmd.Main()
}
