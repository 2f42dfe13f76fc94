package caddymodule

import (
	"encoding/json"
	"maps"

	"github.com/caddyserver/caddy/v2"

	"github.com/socialpatra/keygate/adminapi"
)

// GatewayOf returns the gateway that a handler with "handler":"keygate" in a
// config describes, without running it. It reads the documents that the handler
// names and opens nothing else.
func GatewayOf(handler map[string]any) (adminapi.Gateway, error) {
	fields := maps.Clone(handler)
	delete(fields, "handler") // as Caddy does when it loads the module
	encoded, err := json.Marshal(fields)
	if err != nil {
		return adminapi.Gateway{}, err
	}
	var h Handler
	if err := caddy.StrictUnmarshalJSON(encoded, &h); err != nil {
		return adminapi.Gateway{}, err
	}
	if err := h.setDefaults(); err != nil {
		return adminapi.Gateway{}, err
	}
	return h.gateway()
}
