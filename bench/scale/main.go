// Command scale measures what a store of a million keys costs: the import, the
// start, the memory, a page of the list, a look-up, the limits and how long a table
// that grows holds a request. It prints one table in Markdown under a heading that
// names the machine.
//
//	go run ./scale -n 1000000
//
// It runs a gateway of its own on loopback, in a folder that it removes.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/socialpatra/keygate/bench/internal/keyset"
)

// most bounds the whole, so that what hangs ends.
const most = 30 * time.Minute

func main() {
	n := flag.Int("n", 1_000_000, "how many keys, at least 1000")
	seed := flag.Uint64("seed", 1, "what the keys are derived from")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	if err := run(ctx, keyset.Set{N: *n, Seed: *seed}); err != nil {
		fmt.Fprintln(os.Stderr, "scale:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, set keyset.Set) error {
	if set.N < few {
		return fmt.Errorf("-n %d is too few to compare with %d", set.N, few)
	}
	dir, err := os.MkdirTemp("", "keygate-scale-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	table := &report{keys: set.N}
	g, err := buildGateway(ctx, dir)
	if err != nil {
		return err
	}
	defer g.kill()
	for _, measure := range []func(context.Context, *gateway, keyset.Set, *report) error{
		measureImport, measureStart, measureLists, measureLookups, measureLimits, measureGrowth,
	} {
		if err := measure(ctx, g, set, table); err != nil {
			return err
		}
	}
	return table.print(os.Stdout)
}
