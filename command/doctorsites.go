package command

import (
	"net/textproto"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/socialpatra/keygate/caddymodule/addresses"
	"github.com/socialpatra/keygate/command/doctor"
	"github.com/socialpatra/keygate/internal/jsontree"
	"github.com/socialpatra/keygate/internal/listening"
)

// readSites takes from the config that runs, or else from that on disk, where the
// store is, what its sites listen on, and which files it relies on.
func (c *cli) readSites(g *doctor.Gateway) {
	tree := g.Config.Running
	if tree == nil {
		tree = g.Config.Adapted
	}
	apps := jsontree.At(tree, "apps")
	servers := jsontree.Object(apps, "http", "servers")
	for name, server := range servers {
		handlers := findHandlers(server)
		if len(handlers) == 0 {
			continue
		}
		site := doctor.Site{Name: name, Server: server}
		for _, handler := range handlers {
			if header, _ := handler["header"].(string); header != "" {
				site.Headers = append(site.Headers, textproto.CanonicalMIMEHeaderKey(header))
			}
			g.Config.Trusted = append(g.Config.Trusted, documentsOf(handler)...)
		}
		g.Sites = append(g.Sites, site)
		for _, address := range jsontree.Texts(server, "listen") {
			for _, at := range addresses.Parse(address) {
				if at.Path == "" {
					g.Listen = append(g.Listen, at)
				}
			}
		}
	}
	slices.SortFunc(g.Sites, func(a, b doctor.Site) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(g.Listen, func(a, b listening.Address) int { return a.TCP.Compare(b.TCP) })

	store := jsontree.At(apps, "keygate", "store")
	if jsontree.Text(store, "module") == "redis" {
		g.Fleet = true
		g.Config.Secrets = secretsOf(store)
	}
	if g.Fleet {
		g.StorePath = ""
	} else if g.StorePath == "" && (len(g.Sites) > 0 || jsontree.At(apps, "keygate") != nil) {
		g.StorePath = storePathOf(store)
	}
}

// documentsOf returns the files that decide about routes besides the config.
func documentsOf(handler map[string]any) (files []string) {
	for _, document := range jsontree.List(handler["openapi"]) {
		if file := jsontree.Text(document, "file"); filepath.IsAbs(file) {
			files = append(files, file)
		}
	}
	return files
}

// storePathOf returns the path of the store of a config, "" if it is not known
// outside the gateway.
func storePathOf(store any) string {
	path := jsontree.Text(store, "path")
	if path == "" {
		return filepath.Join(caddy.AppDataDir(), "keygate", "keys.db")
	}
	return caddy.NewReplacer().ReplaceKnown(path, "")
}

var secretFile = regexp.MustCompile(`^\{file\.([^{}]+)\}$`)

// secretsOf returns the files of the secrets of a fleet's store.
func secretsOf(store any) (files []string) {
	for _, name := range []string{"username", "password", "sentinel_username", "sentinel_password"} {
		value := jsontree.Text(store, name)
		if m := secretFile.FindStringSubmatch(value); m != nil && filepath.IsAbs(m[1]) {
			files = append(files, m[1])
		}
	}
	if key := jsontree.Text(store, "tls", "key"); filepath.IsAbs(key) {
		files = append(files, key)
	}
	return files
}

// placeOf says where an error in a config is. The rest of Caddy's message may quote
// what is in the config, such as a password in the wrong place.
func placeOf(err error, file string) string {
	place := regexp.MustCompile(`\b` + regexp.QuoteMeta(filepath.Base(file)) + `:\d+`)
	if found := place.FindString(err.Error()); found != "" {
		return found
	}
	return "it cannot be read or adapted"
}
