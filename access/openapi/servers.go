package openapi

import (
	"cmp"
	"net/url"
	"strings"

	"github.com/socialpatra/keygate/apikey"
)

const (
	acceptedServer = "; accepted: a URL such as https://api.example.com/v1, or /v1; or set base_path"
	maxServer      = 1024 // bytes of a URL with its variables replaced, and of a base path
)

// givenBase returns Options.BasePath as it is put before paths.
func givenBase(given string) (string, error) {
	if given[0] != '/' || len(given) > maxServer {
		return "", fail("base_path", "%s is no path; accepted: / or a path such as /v1, of at most %d bytes", apikey.Quote(given), maxServer)
	}
	return strings.TrimRight(given, "/"), nil
}

// basePath returns the path that servers puts before others, or inherited if
// there are no servers.
func (r *reader) basePath(f *field, inherited string) (string, error) {
	if f == nil || r.fixed {
		return inherited, nil
	}
	servers, err := r.list(f.value, "servers")
	if err != nil {
		return "", err
	}
	base := inherited
	for i, p := range servers {
		b, err := r.serverPath(p)
		switch {
		case err != nil:
			return "", err
		case i > 0 && b != base && r.choose:
			r.differ = true
			continue
		case i > 0 && b != base:
			return "", fail(p.where(), "server has the path %s, and one before it %s; set base_path to the one that the backend gets", apikey.Quote(b), apikey.Quote(base))
		}
		base = b
	}
	return base, nil
}

// mostUsed returns the base path that most operations have, of as many the first,
// as it is given.
func mostUsed(operations []operation) (most string) {
	count := make(map[string]int)
	for i := range operations {
		count[operations[i].base]++
	}
	best := 0
	for i := range operations {
		if base := operations[i].base; count[base] > best {
			most, best = base, count[base]
		}
	}
	return cmp.Or(most, "/")
}

// serverPath returns the path of the url of a server (OpenAPI 3.1.1 §4.8.5).
func (r *reader) serverPath(p place) (string, error) {
	server, err := r.mapping(p, "server")
	if err != nil {
		return "", err
	}
	f := server.get("url")
	if f == nil {
		return "", fail(p.where(), "server has no url"+acceptedServer)
	}
	template, ok := f.value.text()
	if !ok {
		return "", fail(f.where(), "url is no text"+acceptedServer)
	}
	text, err := r.expand(server, template, f.where())
	if err != nil {
		return "", err
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Opaque != "":
		return "", fail(f.where(), "url %s is no URL"+acceptedServer, apikey.Quote(text))
	case u.Host == "" && !strings.HasPrefix(u.Path, "/"):
		// It is relative to where the document is served, which only a client
		// knows.
		return "", fail(f.where(), "url %s has no host and no path that starts with a slash"+acceptedServer, apikey.Quote(text))
	}
	return strings.TrimRight(u.EscapedPath(), "/"), nil
}

// expand replaces the variables of a server's url by their defaults.
func (r *reader) expand(server *mapping, template, where string) (string, error) {
	var text strings.Builder
	for {
		before, rest, found := strings.Cut(template, "{")
		text.WriteString(before)
		if text.Len() > maxServer {
			return "", fail(where, "url is too long; accepted: at most %d bytes", maxServer)
		}
		if !found {
			return text.String(), nil
		}
		name, after, _ := strings.Cut(rest, "}")
		value, err := r.variable(server, name, where)
		if err != nil {
			return "", err
		}
		text.WriteString(value)
		template = after
	}
}

// variable returns the default of a variable (OpenAPI 3.1.1 §4.8.6).
func (r *reader) variable(server *mapping, name, where string) (string, error) {
	m := server
	for _, key := range []string{"variables", name} {
		f := m.get(key)
		if f == nil {
			return "", fail(where, "url has the variable %s, which the server does not declare"+acceptedServer, apikey.Quote(name))
		}
		var err error
		if m, err = r.mapping(f.value, key); err != nil {
			return "", err
		}
	}
	f := m.get("default")
	if f == nil {
		return "", fail(m.where(), "variable %s has no default"+acceptedServer, apikey.Quote(name))
	}
	if value, ok := f.value.text(); ok {
		return value, nil
	}
	return "", fail(f.where(), "the default of variable %s is no text"+acceptedServer, apikey.Quote(name))
}

// CheckBasePath refuses what cannot be [Options.BasePath].
func CheckBasePath(path string) error {
	_, err := givenBase(path)
	return err
}
