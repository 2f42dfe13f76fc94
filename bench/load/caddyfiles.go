package main

import (
	"fmt"
	"strings"
)

// headroom is the gc_headroom of deploy/Caddyfile, in MiB.
const headroom = 128

// unheard is the log of deploy/Caddyfile: Caddy renders no request for its proxy's.
const unheard = `	log default {
		exclude http.handlers.reverse_proxy
	}
`

// Both configurations pass everything on to the backend.
const (
	bare = `{
	admin unix/{dir}/admin.sock
}
http://:{port} {
	bind 127.0.0.1
	reverse_proxy {backend}
}
`
	// guarded has every option of docs/reference.md. Only limits are so high that
	// nothing is refused that should not be.
	guarded = `{
	admin unix/{dir}/admin.sock
	keygate {
		store bbolt {dir}/keygate.db
		key_prefix patra
		workspace_limits 1000000000/min 1000000000/day
	}
}
http://:{port} {
	bind 127.0.0.1
	keygate {
		scope posts:read {
			GET /v1/posts
			GET /v1/posts/{id}
		}
		scope posts:write {
			POST /v1/posts
			PUT,PATCH /v1/posts/{id}
		}
		scope posts:approve POST /v1/posts/{id}/approve
		scope posts:write media:upload {
			POST /v1/posts/with-media
		}
		scope analytics:read GET /v1/analytics/*
		scope ai:generate POST /v1/ai/* cost=5
		scope queue:read GET /v1/queue/live websocket
		authenticated GET /v1/me
		public GET /v1/status

		header X-API-Key
		missing_origin deny
		identity_prefix SocialPatra-
		errors problem
		auth_failures 1000000
		ratelimit_headers on
		cors {
			allow_headers Content-Type
			max_age 10m
		}
	}
	reverse_proxy {backend}
}
`
)

// asDeployed is a configuration with what deploy/Caddyfile sets to take less processor
// time. Without Keygate the headroom is the binary's, stockroom.
func asDeployed(config string) string {
	config = strings.Replace(config, "\tadmin ", unheard+"\tadmin ", 1)
	return strings.Replace(config, "\tkeygate {\n", fmt.Sprintf("\tkeygate {\n\t\tgc_headroom %dMiB\n", headroom), 1)
}

// overTLS has the site speak TLS, HTTP/1.1 and HTTP/2, with the certificate that
// [writeCertificate] wrote next to the gateway's folder.
func overTLS(config string) string {
	return strings.NewReplacer(
		"\tadmin ", "\tservers {\n\t\tprotocols h1 h2\n\t}\n\tauto_https off\n\tadmin ",
		"http://:{port} {\n", "https://:{port} {\n\ttls {dir}/../cert.pem {dir}/../key.pem\n",
	).Replace(config)
}
