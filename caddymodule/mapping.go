package caddymodule

import (
	"encoding/json"
	"maps"

	"github.com/caddyserver/caddy/v2"

	"github.com/socialpatra/keygate/adminapi"
)

// MappingOf returns the mapping that a handler with "handler":"keygate" in a
// config describes, without running it. It reads the documents that the handler
// names and opens nothing else.
func MappingOf(handler map[string]any) (adminapi.Mapping, error) {
	fields := maps.Clone(handler)
	delete(fields, "handler") // as Caddy does when it loads the module
	encoded, err := json.Marshal(fields)
	if err != nil {
		return adminapi.Mapping{}, err
	}
	var h Handler
	if err := caddy.StrictUnmarshalJSON(encoded, &h); err != nil {
		return adminapi.Mapping{}, err
	}
	if err := h.setDefaults(); err != nil {
		return adminapi.Mapping{}, err
	}
	return h.mapping()
}
