// Command frameworks serves the routes of a JSON file with a web framework, and
// says in X-Served which one it took a request for. It prints its port first:
//
//	frameworks gin routes.json
//
// It is a module of its own, so that nobody who builds Keygate gets these
// frameworks.
package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
)

// frameworks serve routes on a listener, each in a configuration that people
// have and that reads paths in its own way.
var frameworks = map[string]func(net.Listener, []route) error{
	"chi":     serveChi,
	"echo":    serveEcho,
	"fiber":   serveFiber,
	"gin":     serveGin,
	"gorilla": serveGorilla,
	"mux":     serveMux,
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 || frameworks[args[0]] == nil {
		return fmt.Errorf("usage: frameworks NAME FILE, with a name of %q", slices.Sorted(maps.Keys(frameworks)))
	}
	text, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	var routes []route
	if err := json.Unmarshal(text, &routes); err != nil {
		return fmt.Errorf("%s: %w", args[1], err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	return frameworks[args[0]](listener, routes)
}
