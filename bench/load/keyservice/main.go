// Command keyservice is what a team writes for forward_auth of Caddy in an
// afternoon: it knows keys by their hashes, which route needs which scope, and how
// many requests a key may do in a minute.
//
//	keyservice ADDRESS FILE
//
// A line of the file is a hash in hexadecimal digits, an ID, a limit, and scopes.
package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "keyservice:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 3 {
		return fmt.Errorf("usage: keyservice ADDRESS FILE")
	}
	file, err := os.Open(os.Args[2])
	if err != nil {
		return err
	}
	defer file.Close()
	s := &service{keys: map[[sha256.Size]byte]*key{}, now: time.Now}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if err := s.add(lines.Text()); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		return err
	}
	server := &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	return server.Serve(listener)
}

// add adds the key of a line.
func (s *service) add(line string) error {
	fields := strings.Fields(line)
	if len(fields) < 3 {
		return fmt.Errorf("%q has too few fields", line)
	}
	var hash [sha256.Size]byte
	if n, err := hex.Decode(hash[:], []byte(fields[0])); err != nil || n != len(hash) {
		return fmt.Errorf("%q is no hash", fields[0])
	}
	limit, err := strconv.Atoi(fields[2])
	if err != nil {
		return err
	}
	s.keys[hash] = &key{id: []string{fields[1]}, limit: limit, scopes: fields[3:]}
	return nil
}
