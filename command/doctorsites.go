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
	"github.com/socialpatra/keygate/internal/listening"
)

// readSites takes from the config that runs, or else from that on disk, where the
// store is, what its sites listen on, and which files it relies on.
func (c *cli) readSites(g *doctor.Gateway) {
	tree := g.Config.Running
	if tree == nil {
		tree = g.Config.Adapted
	}
	apps := member(tree, "apps")
	servers, _ := member(member(apps, "http"), "servers").(map[string]any)
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
		for _, address := range stringsOf(member(server, "listen")) {
			for _, at := range addresses.Parse(address) {
				if at.Path == "" {
					g.Listen = append(g.Listen, at)
				}
			}
		}
	}
	slices.SortFunc(g.Sites, func(a, b doctor.Site) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(g.Listen, func(a, b listening.Address) int { return a.TCP.Compare(b.TCP) })

	store := member(member(apps, "keygate"), "store")
	if module, _ := member(store, "module").(string); module == "redis" {
		g.Fleet = true
		g.Config.Secrets = secretsOf(store)
	}
	if g.Fleet {
		g.StorePath = ""
	} else if g.StorePath == "" && (len(g.Sites) > 0 || member(apps, "keygate") != nil) {
		g.StorePath = storePathOf(store)
	}
}

// documentsOf returns the files that decide about routes besides the config.
func documentsOf(handler map[string]any) (files []string) {
	for _, document := range listOf(handler["openapi"]) {
		if file, _ := member(document, "file").(string); filepath.IsAbs(file) {
			files = append(files, file)
		}
	}
	return files
}

// storePathOf returns the path of the store of a config, "" if it is not known
// outside the gateway.
func storePathOf(store any) string {
	path, _ := member(store, "path").(string)
	if path == "" {
		return filepath.Join(caddy.AppDataDir(), "keygate", "keys.db")
	}
	return caddy.NewReplacer().ReplaceKnown(path, "")
}

var secretFile = regexp.MustCompile(`^\{file\.([^{}]+)\}$`)

// secretsOf returns the files of the secrets of a fleet's store.
func secretsOf(store any) (files []string) {
	for _, name := range []string{"username", "password", "sentinel_username", "sentinel_password"} {
		value, _ := member(store, name).(string)
		if m := secretFile.FindStringSubmatch(value); m != nil && filepath.IsAbs(m[1]) {
			files = append(files, m[1])
		}
	}
	if key, _ := member(member(store, "tls"), "key").(string); filepath.IsAbs(key) {
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
