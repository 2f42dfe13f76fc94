// Command build makes the Caddy binary that xcaddy.json describes. It is a
// module of its own so that xcaddy stays out of Keygate's dependencies. From
// the root of the repository:
//
//	go run -C cmd/build . [-config ../../xcaddy.json] [-output caddy]
//
// Relative paths in the config, and -output, count from the config's folder.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
)

func main() {
	config := flag.String("config", "../../xcaddy.json", "what to build: a JSON `file`, relative to the working directory")
	output := flag.String("output", "caddy", "the `file` to write, relative to the config's folder")
	flag.Parse()

	if err := run(*config, *output, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}

func run(config, output string, rest []string) error {
	if len(rest) > 0 {
		return fmt.Errorf("unexpected argument %q; -h shows the flags", rest[0])
	}
	builder, err := load(config)
	if err != nil {
		return err
	}
	output, err = under(filepath.Dir(config), output)
	if err != nil {
		return err
	}

	// xcaddy removes its temporary folder when its context ends.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	return builder.Build(ctx, output)
}
