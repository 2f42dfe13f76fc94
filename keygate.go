// Package keygate puts API keys in front of any backend that Caddy can reach.
// Importing it registers every module of the plugin, so that
// `xcaddy build --with github.com/socialpatra/keygate` is all it takes.
package keygate

import (
	// The modules of a config, and the command.
	_ "github.com/socialpatra/keygate/caddymodule"
	_ "github.com/socialpatra/keygate/caddymodule/leaks"
	_ "github.com/socialpatra/keygate/caddymodule/selfservice"
	_ "github.com/socialpatra/keygate/command"
)
