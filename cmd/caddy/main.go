// Command caddy is standard Caddy with Keygate built in: the same binary that
// `xcaddy build --with github.com/socialpatra/keygate` makes, for those who
// have Go and nothing else.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddyserver/caddy/v2/modules/standard"
	_ "github.com/socialpatra/keygate"
)

func main() {
	caddycmd.Main()
}
