package main

import (
	"fmt"
	"strings"
)

// haproxyConfig counts what keys do in a minute that slides. {tokens} are in maps,
// in the clear: HAProxy could hash what it gets, and would compare in a map as well.
const haproxyConfig = `global
	maxconn 4096
defaults
	mode http
	timeout connect 5s
	timeout client 1m
	timeout server 1m
frontend site
	bind 127.0.0.1:{port}
	http-request set-var(txn.key) http_auth_bearer
	http-request set-var(txn.id) var(txn.key),map_str({dir}/ids.map)
	http-request return status 401 content-type text/plain string "no key" unless { var(txn.id) -m found }
	http-request set-var(txn.scopes) var(txn.key),map_str({dir}/scopes.map)
	http-request set-var(txn.needed) str(posts:read) if METH_GET { path_beg /v1/posts/ }
	http-request set-var(txn.needed) str(posts:approve) if METH_POST { path_beg /v1/posts/ } { path_end /approve }
	acl read var(txn.needed) -m str posts:read
	acl approve var(txn.needed) -m str posts:approve
	acl may_read var(txn.scopes) -m sub ,posts:read,
	acl may_approve var(txn.scopes) -m sub ,posts:approve,
	http-request return status 403 content-type text/plain string "not allowed" unless read may_read or approve may_approve
	http-request set-var(txn.limit) var(txn.key),map_str_int({dir}/limits.map)
	http-request track-sc0 var(txn.id) table keys
	http-request return status 429 content-type text/plain string "too many" if { sc_http_req_rate(0),sub(txn.limit) gt 0 }
	http-request del-header Authorization
	http-request set-header X-Key-Id %[var(txn.id)]
	default_backend application
backend application
	server one {backend}
backend keys
	stick-table type string len 16 size 100k expire 2m store http_req_rate(1m)
`

func haproxyFiles(list []credential) map[string]string {
	return map[string]string{
		"haproxy.cfg": haproxyConfig,
		"ids.map":     eachLine(list, func(c credential) string { return c.token + " " + c.id }),
		"scopes.map":  eachLine(list, func(c credential) string { return c.token + " ," + strings.Join(c.scopes, ",") + "," }),
		"limits.map":  eachLine(list, func(c credential) string { return fmt.Sprintf("%s %d", c.token, c.perMinute()) }),
	}
}

func startHAProxy(s *stage) (*gateway, error) {
	return s.startProgram("haproxy", "haproxy", haproxyFiles(s.requests.credentials), "-db", "-f", "{dir}/haproxy.cfg")
}
