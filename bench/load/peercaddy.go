package main

import (
	"strings"
)

// Three Caddyfiles, and eachKey, the zone of two of them that limits all keys alike.
// caddy-ratelimit keeps a time for each event that it allows, so that limits as high
// as Keygate's would need memory for each.
const (
	eachKey = `		zone keys {
			key {http.request.header.Authorization}
			events 200
			window 1m
		}
`
	rateLimited = `{
	admin unix/{dir}/admin.sock
}
http://:{port} {
	bind 127.0.0.1
	rate_limit {
		zone few {
			match {
				header Authorization "Bearer {few}"
			}
			key {http.request.header.Authorization}
			events 1
			window 24h
		}
` + eachKey + `	}
	reverse_proxy {backend}
}
`
	// mapped looks a key up once: a placeholder of map would be looked up wherever it
	// is read.
	mapped = `{
	admin unix/{dir}/admin.sock
}
http://:{port} {
	bind 127.0.0.1
	map {http.request.header.Authorization} {known} {
{keys}		default ""
	}
	route {
		vars entry {known}
		@unknown vars {http.vars.entry} ""
		respond @unknown "no key" 401
		@forbidden {
			not {
				method GET
				path /v1/posts/*
				vars_regexp entry {http.vars.entry} "^(\w+) .* posts:read "
			}
			not {
				method POST
				path /v1/posts/*/approve
				vars_regexp entry {http.vars.entry} "^(\w+) .* posts:approve "
			}
		}
		respond @forbidden "not allowed" 403
		rate_limit {
			zone few {
				match {
					vars_regexp {http.vars.entry} " few "
				}
				key {http.request.header.Authorization}
				events 1
				window 24h
			}
` + eachKey + `		}
		reverse_proxy {backend} {
			header_up -Authorization
			header_up X-Key-Id {http.regexp.entry.1}
		}
	}
}
`
	asked = `{
	admin unix/{dir}/admin.sock
}
http://:{port} {
	bind 127.0.0.1
	forward_auth {service} {
		uri /
		copy_headers X-Key-Id
	}
	reverse_proxy {backend} {
		header_up -Authorization
	}
}
`
)

// rateLimitedConfig limits the first key that has a limit, and all keys alike
// besides.
func rateLimitedConfig(list []credential) string {
	for _, c := range list {
		if c.limited {
			return strings.ReplaceAll(rateLimited, "{few}", c.token)
		}
	}
	return rateLimited
}

func mappedConfig(list []credential) string {
	return strings.ReplaceAll(mapped, "{keys}", eachLine(list, func(c credential) string {
		class := "many"
		if c.limited {
			class = "few"
		}
		return "\t\t\"Bearer " + c.token + "\" \"" + c.id + " " + class + "  " + c.scopeList() + " \""
	}))
}

func startRateLimited(s *stage) (*gateway, error) {
	if err := s.build("ratelimited", "bench/load/ratelimited", "off"); err != nil {
		return nil, err
	}
	return s.start("ratelimited", "ratelimited-alone", rateLimitedConfig(s.requests.credentials))
}

func startMapped(s *stage) (*gateway, error) {
	if err := s.build("ratelimited", "bench/load/ratelimited", "off"); err != nil {
		return nil, err
	}
	return s.start("ratelimited", "ratelimited-mapped", mappedConfig(s.requests.credentials))
}

// startForwardAuth counts the service to the gateway: its users pay for both.
func startForwardAuth(s *stage) (*gateway, error) {
	if err := s.build("keyservice", "bench/load/keyservice", "off"); err != nil {
		return nil, err
	}
	service, err := s.prepare("forward-auth-service")
	if err != nil {
		return nil, err
	}
	if err := service.write("keys", eachLine(s.requests.credentials, credential.hashed)); err != nil {
		return nil, err
	}
	if err := service.run(service.command(s.ctx, s.path("keyservice"), service.addr, service.path("keys"))); err != nil {
		return nil, err
	}
	if err := service.serving(s.ctx, func() error { return nil }); err != nil {
		return nil, err
	}
	g, err := s.start("stock", "forward-auth", strings.ReplaceAll(asked, "{service}", service.addr))
	if err != nil {
		return nil, err
	}
	g.groups = append(g.groups, service.groups...)
	return g, nil
}
