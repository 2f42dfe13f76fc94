package main

import (
	"crypto/sha1" //nolint:gosec // what Traefik's basicAuth knows that is not slow on purpose
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

// credential is what other gateways know of a key.
type credential struct {
	token, id string
	scopes    []string
	limited   bool // to one request in as long as the gateway knows
}

// eachLine writes a line for each credential.
func eachLine(list []credential, line func(credential) string) string {
	var b strings.Builder
	for _, c := range list {
		b.WriteString(line(c) + "\n")
	}
	return b.String()
}

func (c credential) scopeList() string { return strings.Join(c.scopes, " ") }

// perMinute is a limit that load does not come near to, or one that is used up by
// the first request.
func (c credential) perMinute() int {
	if c.limited {
		return 1
	}
	return 1_000_000_000
}

// hashed is the line of a key for a gateway that has no tokens in the clear: hash,
// ID, limit, scopes.
func (c credential) hashed() string {
	hash := sha256.Sum256([]byte(c.token))
	return fmt.Sprintf("%s %s %d %s", hex.EncodeToString(hash[:]), c.id, c.perMinute(), c.scopeList())
}

// htpasswd is the line of a key whose ID is the user's name.
func (c credential) htpasswd() string {
	hash := sha1.Sum([]byte(c.token)) //nolint:gosec // see above
	return c.id + ":{SHA}" + base64.StdEncoding.EncodeToString(hash[:])
}
