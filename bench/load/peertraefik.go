package main

import (
	"bytes"
	"encoding/base64"
)

const (
	traefikConfig = `entryPoints:
  site:
    address: 127.0.0.1:{port}
providers:
  file:
    filename: {dir}/dynamic.yml
    watch: false
log:
  level: ERROR
global:
  checkNewVersion: false
  sendAnonymousUsage: false
`
	// traefikRoutes count in a bucket for each user that basicAuth tells. A bucket of
	// its own size needs a route of its own, as the one of {few} has.
	traefikRoutes = "http:\n" +
		"  routers:\n" +
		"    all:\n" +
		"      rule: PathPrefix(`/`)\n" +
		"      service: backend\n" +
		"      middlewares: [keys, many]\n" +
		"    few:\n" +
		"      rule: Header(`Authorization`, `{few}`)\n" +
		"      priority: 1000\n" +
		"      service: backend\n" +
		"      middlewares: [keys, few]\n" + `  middlewares:
    keys:
      basicAuth:
        usersFile: {dir}/users
        removeHeader: true
        headerField: X-Key-Id
    many:
      rateLimit:
        average: 1000000
        burst: 1000000
        sourceCriterion:
          requestHeaderName: X-Key-Id
    few:
      rateLimit:
        average: 1
        period: 24h
        burst: 1
        sourceCriterion:
          requestHeaderName: X-Key-Id
  services:
    backend:
      loadBalancer:
        servers:
          - url: http://{backend}
`
)

func traefikFiles(list []credential) map[string]string {
	var few string
	for _, c := range list {
		if c.limited && few == "" {
			few = basic(c.id, c.token)
		}
	}
	return map[string]string{
		"traefik.yml": traefikConfig,
		"dynamic.yml": string(bytes.ReplaceAll([]byte(traefikRoutes), []byte("{few}"), []byte(few))),
		"users":       eachLine(list, credential.htpasswd),
	}
}

func startTraefik(s *stage) (*gateway, error) {
	return s.startProgram("traefik", "traefik", traefikFiles(s.requests.credentials), "--configFile={dir}/traefik.yml")
}

// basic is a header's value with a key's ID as the user and its token as the password.
func basic(id, token string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+token))
}

// asBasic sends the token of a request as a password: Traefik knows no bearer tokens.
func asBasic(request []byte) []byte {
	const name = "Authorization: "
	before, after, found := bytes.Cut(request, []byte(name+"Bearer "))
	if !found {
		return request
	}
	token, rest, _ := bytes.Cut(after, []byte("\r\n"))
	var id []byte
	if parts := bytes.SplitN(token, []byte("_"), 3); len(parts) == 3 {
		id = parts[1]
	}
	return []byte(string(before) + name + basic(string(id), string(token)) + "\r\n" + string(rest))
}
