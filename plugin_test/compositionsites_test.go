package plugin_test

import (
	"strings"
	"testing"
)

// composition has one site for each way to put Keygate among Caddy's own
// directives. Hosts tell the sites apart.
const composition = `
{
	keygate {
		store bbolt ./data/keygate.db
	}
}
(gate) {
	keygate {args[0]} {
		scope posts:read {
			GET /v1/posts
			GET /v1/posts/{id}
		}
		scope posts:write POST,DELETE /v1/posts
		public * /v1/open/*
	}
}
(backend) {
	reverse_proxy {$BACKEND}
}
&(named) {
	route {
		import gate *
		import backend
	}
}
http://handle:{$PORT} {
	handle /v1/* {
		import gate *
		import backend
	}
	handle {
		respond elsewhere
	}
}
http://handle-path:{$PORT} {
	handle_path /api/* {
		import gate *
		import backend
	}
}
http://route:{$PORT} {
	route {
		import gate *
		rewrite * /v1/rewritten
		import backend
	}
}
http://matchers:{$PORT}, http://matchers-elsewhere:{$PORT} {
	@gated {
		host matchers
		not path /open/*
	}
	import gate @gated
	import backend
}
http://path:{$PORT} {
	import gate /v1/*
	keygate /v2/* {
		scope posts:write GET /v2/posts
		identity_prefix Other-
	}
	import backend
}
http://named:{$PORT} {
	invoke named
}
http://rewrite:{$PORT} {
	rewrite /old /v1/posts?from=old
	rewrite /new/* /v1{uri}
	import gate *
	import backend
}
http://strip:{$PORT} {
	uri strip_prefix /api
	import gate *
	import backend
}
http://method:{$PORT} {
	@delete query delete=1
	method @delete DELETE
	import gate *
	import backend
}
http://respond:{$PORT} {
	import gate *
	respond "{http.auth.user.id} of {http.auth.user.workspace} may {http.auth.user.scopes}: {http.auth.keygate.reason}"
}
http://twice:{$PORT} {
	import gate *
	handle {
		import gate *
		import backend
	}
}
http://twice-open:{$PORT} {
	import gate *
	handle {
		keygate {
			public * /*
		}
		import backend
	}
}
http://encode:{$PORT} {
	encode gzip
	import gate *
	import backend
}
http://log:{$PORT} {
	log
	log_append caller {http.auth.user.id}
	log_append why {http.auth.keygate.reason}
	import gate *
	import backend
}
http://errors:{$PORT} {
	keygate {
		scope posts:read GET /v1/posts
		scope posts:read POST /v1/posts cost=1000
		errors caddy
	}
	import backend
	handle_errors 403 429 {
		respond "{err.status_code} {err.status_text} {err.message} {http.auth.keygate.reason} {http.auth.user.id}"
	}
	handle_errors {
		rewrite * /status/{err.status_code}
		import backend
	}
}
`

// onHost is do for one of several sites.
func (g *gateway) onHost(t testing.TB, host, method, path string, headers ...string) response {
	t.Helper()
	var b strings.Builder
	for _, header := range headers {
		b.WriteString(header + "\n")
	}
	return g.raw(t, method+" "+path+" HTTP/1.1\nHost: "+host+"\n"+b.String()+"Connection: close\n\n")
}
