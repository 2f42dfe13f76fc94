// Command stock is standard Caddy and nothing else, built from the same
// modules as cmd/caddy: what a gateway with Keygate is compared with.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

func main() {
	caddycmd.Main()
}
