// Command load measures what Keygate costs on top of Caddy. It builds Caddy
// without and with Keygate, starts a fast backend, and sends the same load to
// all gateways in alternation. It prints one table in Markdown under a heading
// that names the machine.
//
//	go run ./load # in the folder bench
//
// With -profile it takes the profile instead that builds of Keygate are guided by:
//
//	go run ./load -profile ../cmd/caddy/caddy.pgo
//
// With -peers it measures what users would pick instead, and with -protocols TLS,
// HTTP/2, streams and WebSockets.
//
// It runs on loopback, in a folder that it removes, and on Linux alone: what
// processes use is read from /proc.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

type options struct {
	rounds, connections int
	slice               time.Duration
	profile             string
	peers, protocols    bool
}

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 10, "how often each row is measured, 1 to 100")
	flag.DurationVar(&o.slice, "slice", 2*time.Second, "how long each time, 100ms to 1m")
	flag.IntVar(&o.connections, "connections", 32, "how many connections send requests, 1 to 1000")
	flag.StringVar(&o.profile, "profile", "", "take a CPU profile and write it to this `file`, and measure nothing")
	flag.BoolVar(&o.peers, "peers", false, "measure other gateways as well, as far as they are on this machine")
	flag.BoolVar(&o.protocols, "protocols", false, "measure TLS, HTTP/2, streams and WebSockets")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func (o options) check() error {
	switch {
	case flag.NArg() > 0:
		return fmt.Errorf("unexpected argument %q; -h shows the flags", flag.Arg(0))
	case o.peers && o.protocols || (o.peers || o.protocols) && o.profile != "":
		return errors.New("-peers, -protocols and -profile are one run each")
	case o.rounds < 1 || o.rounds > 100:
		return fmt.Errorf("-rounds %d is not between 1 and 100", o.rounds)
	case o.slice < 100*time.Millisecond || o.slice > time.Minute:
		return fmt.Errorf("-slice %s is not between 100ms and 1m", o.slice)
	case o.connections < 1 || o.connections > 1000:
		return fmt.Errorf("-connections %d is not between 1 and 1000", o.connections)
	}
	return nil
}

func run(ctx context.Context, o options) (err error) {
	if err := o.check(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "keygate-load-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s := &stage{ctx: ctx, options: o, dir: dir}
	defer s.close()
	if err := s.open(); err != nil {
		return err
	}
	switch {
	case o.profile != "":
		return s.takeProfile()
	case o.peers:
		return s.measurePeers()
	case o.protocols:
		return s.measureProtocols()
	}
	rows, err := s.keygateRows()
	if err != nil {
		return err
	}
	return s.compare(rows)
}
