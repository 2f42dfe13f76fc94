package caddymodule

import (
	"encoding/json"

	"github.com/socialpatra/keygate/apikey"
)

// The bodies of the admin API, shared by the server and the command.

// keyRequest is the body of a creation or a change. What is absent stays as it
// is, or gets its default in a creation.
type keyRequest struct {
	Workspace   *string   `json:"workspace,omitempty"` // required in a creation, refused in a change
	Name        *string   `json:"name,omitempty"`
	Description *string   `json:"description,omitempty"`
	Scopes      *[]string `json:"scopes,omitempty"`

	ExpiresInDays *int64          `json:"expires_in_days,omitempty"` // 1–3650
	ExpiresAt     json.RawMessage `json:"expires_at,omitempty"`      // RFC 3339 in the future, or null for never

	Limits         *limitsRequest `json:"limits,omitempty"`
	AllowedOrigins *[]string      `json:"allowed_origins,omitempty"`
	AllowedIPs     *[]string      `json:"allowed_ips,omitempty"`

	AllowUnknownScope bool `json:"allow_unknown_scope,omitempty"`
}

type limitsRequest struct {
	PerMinute *int64 `json:"per_minute,omitempty"`
	PerDay    *int64 `json:"per_day,omitempty"`
	Burst     *int64 `json:"burst,omitempty"`
}

// tokenResponse is the answer to a creation or a rotation: the only time that
// the token is seen.
type tokenResponse struct {
	Key   apikey.Record `json:"key"`
	Token string        `json:"token"`
}

// listResponse is one page of keys. NextCursor is "" at the end.
type listResponse struct {
	Keys       []apikey.Record `json:"keys"`
	NextCursor string          `json:"next_cursor"`
}

// scopesResponse is the catalogue, with what the running config makes of it.
type scopesResponse struct {
	Scopes []scopeInfo `json:"scopes"`
}

type scopeInfo struct {
	Scope       string   `json:"scope"`
	Description string   `json:"description"`
	Known       bool     `json:"catalogue"` // of Keygate's catalogue, not only of the config
	Routes      []string `json:"routes"`    // "GET /v1/posts", sorted; empty where it opens nothing
}
