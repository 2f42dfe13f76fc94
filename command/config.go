package command

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/socialpatra/keygate/access/openapi"
	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/caddymodule"
	"github.com/socialpatra/keygate/internal/jsontree"
)

var errNoHandler = errors.New("has no keygate handler; add the keygate directive to a site")

// readConfig returns the mappings that a config file describes, without running
// the config. "" means the Caddyfile in the working folder. It opens only the
// config and its documents.
func readConfig(file, adapter string) ([]adminapi.Mapping, error) {
	c, err := loadConfig(file, adapter)
	if err != nil {
		return nil, err
	}
	return c.mappings()
}

// configFile is the part of a config, in JSON form, that matters here.
type configFile struct {
	name string
	tree any
}

func loadConfig(file, adapter string) (*configFile, error) {
	var config []byte
	name := cmp.Or(file, "Caddyfile")
	err := quietly(func() (err error) {
		config, _, _, err = caddycmd.LoadConfig(file, adapter)
		return err
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the config %s: %w", name, err)
	case len(config) == 0:
		return nil, errors.New("there is no Caddyfile in this folder; name a config file")
	}
	c := &configFile{name: name}
	if err := json.Unmarshal(config, &c.tree); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

func (c *configFile) mappings() ([]adminapi.Mapping, error) {
	mappings, nothing, err := c.read()
	if err == nil && len(nothing) > 0 {
		err = fmt.Errorf("%s: %w", c.name, nothing[0])
	}
	return mappings, err
}

// read returns what the gateways map, and those that map nothing.
func (c *configFile) read() (mappings []adminapi.Mapping, nothing []*openapi.NothingMappedError, err error) {
	for _, encoded := range findHandlers(c.tree) {
		g, err := caddymodule.MappingOf(encoded)
		if n, ok := errors.AsType[*openapi.NothingMappedError](err); ok {
			nothing = append(nothing, n)
		} else if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", c.name, err)
		} else {
			mappings = append(mappings, g)
		}
	}
	if len(mappings)+len(nothing) == 0 {
		return nil, nil, fmt.Errorf("%s %w", c.name, errNoHandler)
	}
	return mappings, nothing, nil
}

// workspaceLimits returns what the config lets all keys of a workspace do
// together.
func (c *configFile) workspaceLimits() (limits apikey.WorkspaceLimits) {
	decode(jsontree.At(c.tree, "apps", "keygate", "workspace_limits"), &limits) // what is wrong in it, Caddy refuses
	return limits
}

// findHandlers returns every keygate handler in a config, also inside subroutes,
// named routes and error routes.
func findHandlers(tree any) (found []map[string]any) {
	switch value := tree.(type) {
	case []any:
		for _, element := range value {
			found = append(found, findHandlers(element)...)
		}
	case map[string]any:
		if value["handler"] == "keygate" {
			return []map[string]any{value}
		}
		for _, name := range slices.Sorted(maps.Keys(value)) {
			found = append(found, findHandlers(value[name])...)
		}
	}
	return found
}
