// Command stockroom is standard Caddy whose heap may grow by GC_HEADROOM_MIB MiB
// between two collections, by the code that Keygate's gc_headroom runs: what a
// gateway with that option is compared with where settings are to be equal.
package main

import (
	"fmt"
	"os"
	"strconv"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/socialpatra/keygate/internal/headroom"

	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

func main() {
	const name = "GC_HEADROOM_MIB"
	mib, err := strconv.ParseUint(os.Getenv(name), 10, 32)
	if err != nil {
		fmt.Fprintf(os.Stderr, "stockroom: %s: %v\n", name, err)
		os.Exit(1)
	}
	headroom.Keep(mib << 20)
	caddycmd.Main()
}
