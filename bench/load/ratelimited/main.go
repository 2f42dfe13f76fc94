// Command ratelimited is standard Caddy with caddy-ratelimit, built from the same
// modules as stock: what users pick who want limits in Caddy without keys.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddyserver/caddy/v2/modules/standard"
	_ "github.com/mholt/caddy-ratelimit"
)

func main() {
	caddycmd.Main()
}
