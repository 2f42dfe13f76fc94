package main

import (
	"os"
	"path/filepath"
	"strings"
)

// nginxConfig is for both kinds: {modules}, {keys} and {access} differ.
const nginxConfig = `{modules}worker_processes auto;
daemon off;
pid {dir}/pid;
events {
	worker_connections 4096;
}
http {
	access_log off;
	keepalive_requests 1000000000;
	client_body_temp_path {dir}/body;
	proxy_temp_path {dir}/proxy;
	fastcgi_temp_path {dir}/fastcgi;
	uwsgi_temp_path {dir}/uwsgi;
	scgi_temp_path {dir}/scgi;
{keys}
	upstream backend {
		server {backend};
		keepalive 64;
	}
	server {
		listen 127.0.0.1:{port};
{access}
		location / {
{limits}			proxy_pass http://backend;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_set_header Authorization "";
			proxy_set_header X-Key-Id $key_id;
		}
	}
}
`

// nginxFiles have the tokens themselves: nginx alone cannot hash them. It has one
// rate for each zone, so that few keys have a zone of their own.
func nginxFiles(list []credential) map[string]string {
	quoted := func(value func(credential) string) string {
		return eachLine(list, func(c credential) string { return `"Bearer ` + c.token + `" "` + value(c) + `";` })
	}
	return map[string]string{
		"ids.map":    quoted(func(c credential) string { return c.id }),
		"scopes.map": quoted(credential.scopeList),
		"few.map": quoted(func(c credential) string {
			if c.limited {
				return c.id
			}
			return ""
		}),
		"nginx.conf": strings.NewReplacer("{modules}", "", "{keys}", `	map_hash_max_size 65536;
	map_hash_bucket_size 256;
	map $http_authorization $key_id {
		include {dir}/ids.map;
	}
	map $http_authorization $scopes {
		include {dir}/scopes.map;
	}
	map $http_authorization $few {
		include {dir}/few.map;
	}
	map "$request_method $uri" $needed {
		"~^GET /v1/posts/" posts:read;
		"~^POST /v1/posts/[^/]+/approve$" posts:approve;
		default none;
	}
	map "$needed $scopes" $allowed {
		"~^(\S+) (?:.* )?\1(?: |$)" yes;
	}
	limit_req_zone $key_id zone=keys:16m rate=1000000r/s;
	limit_req_zone $few zone=few:1m rate=1r/m;
	limit_req_status 429;`, "{access}", `		if ($key_id = "") {
			return 401;
		}
		if ($allowed = "") {
			return 403;
		}`, "{limits}", `			limit_req zone=keys burst=1000000 nodelay;
			limit_req zone=few;
`).Replace(nginxConfig),
	}
}

// luaFiles have hashes alone, as Keygate's store does, and a limit for each key.
func luaFiles(list []credential, modules string) map[string]string {
	return map[string]string{
		"keys": eachLine(list, credential.hashed),
		"nginx.conf": strings.NewReplacer("{modules}", `load_module `+modules+`/ndk_http_module.so;
load_module `+modules+`/ngx_http_lua_module.so;
`, "{keys}", `	lua_shared_dict counters 16m;
	init_by_lua_block {
		local ffi = require "ffi"
		ffi.cdef "unsigned char *SHA256(const unsigned char *d, size_t n, unsigned char *md);"
		local digest = ffi.new("unsigned char[32]")
		local keys = {}
		for line in io.lines("{dir}/keys") do
			local hash, id, limit, list = line:match("^(%x+) (%w+) (%d+) (.*)$")
			local scopes = {}
			for scope in list:gmatch("%S+") do
				scopes[scope] = true
			end
			local raw = hash:gsub("%x%x", function(x) return string.char(tonumber(x, 16)) end)
			keys[raw] = {id = id, limit = tonumber(limit), scopes = scopes}
		end
		function key_of(header)
			if not header or header:sub(1, 7) ~= "Bearer " then
				return nil
			end
			ffi.C.SHA256(header:sub(8), #header - 7, digest)
			return keys[ffi.string(digest, 32)]
		end
		function needed(method, uri)
			if method == "GET" and uri:sub(1, 10) == "/v1/posts/" then
				return "posts:read"
			end
			if method == "POST" and uri:sub(1, 10) == "/v1/posts/" and uri:sub(-8) == "/approve" then
				return "posts:approve"
			end
			return "none"
		end
	}`, "{access}", `		set $key_id "";
		access_by_lua_block {
			local key = key_of(ngx.var.http_authorization)
			if not key then
				return ngx.exit(401)
			end
			if not key.scopes[needed(ngx.req.get_method(), ngx.var.uri)] then
				return ngx.exit(403)
			end
			if ngx.shared.counters:incr(key.id, 1, 0, 60) > key.limit then
				return ngx.exit(429)
			end
			ngx.var.key_id = key.id
		}`, "{limits}", "").Replace(nginxConfig),
	}
}

func startNginx(s *stage) (*gateway, error) {
	return s.startProgram("nginx", "nginx", nginxFiles(s.requests.credentials), nginxArgs()...)
}

func startLua(s *stage) (*gateway, error) {
	for _, dir := range []string{"/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/usr/share/nginx/modules"} {
		if _, err := os.Stat(filepath.Join(dir, "ngx_http_lua_module.so")); err == nil {
			return s.startProgram("nginx-lua", "nginx", luaFiles(s.requests.credentials, dir), nginxArgs()...)
		}
	}
	return nil, missing("nginx's Lua module")
}

// nginxArgs keep nginx from the log that it was built with.
func nginxArgs() []string {
	return []string{"-p", "{dir}", "-c", "{dir}/nginx.conf", "-e", "stderr"}
}
