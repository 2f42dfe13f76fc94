// Command keys writes made-up keys as lines that caddy keygate import reads:
//
//	go run ./keys -n 1000000 > keys.jsonl
//
// The same seed makes the same keys. With -tokens their tokens are written as
// well, one a line and in the same order, for what sends requests.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/socialpatra/keygate/bench/internal/keyset"
)

func main() {
	n := flag.Int("n", 1000, "how many keys")
	seed := flag.Uint64("seed", 1, "what the keys and their tokens are derived from")
	tokens := flag.String("tokens", "", "`file` to make for the tokens, with mode 0600")
	flag.Parse()
	if err := write(keyset.Set{N: *n, Seed: *seed}, *tokens); err != nil {
		fmt.Fprintln(os.Stderr, "keys:", err)
		os.Exit(1)
	}
}

func write(set keyset.Set, tokensPath string) error {
	if tokensPath == "" {
		return set.Write(os.Stdout, nil)
	}
	file, err := os.OpenFile(tokensPath, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(set.Write(os.Stdout, file), file.Close())
}
