package adminapi

import "net/http"

// PolicyResponse says what the caller may do, and the bounds and defaults of
// keys, so that a front end can show a form that asks for nothing that would be
// refused.
type PolicyResponse struct {
	Workspace string       `json:"workspace"` // one, or "*" for all
	Actor     string       `json:"actor"`     // as whom the caller is recorded; "" if nobody said
	May       []Verb       `json:"may"`
	Scopes    []string     `json:"scopes"` // that keys may hold, sorted
	Expiry    PolicyExpiry `json:"expiry"`
	PerMinute PolicyLimit  `json:"per_minute"`
	PerDay    PolicyLimit  `json:"per_day"`
	Keys      PolicyKeys   `json:"keys"`
	Origins   Presence     `json:"origins"` // optional, required or forbidden
	IPs       Presence     `json:"ips"`     // optional, required or forbidden
}

type PolicyExpiry struct {
	DefaultDays *int `json:"default_days"` // of a creation that does not say; null: never
	MaxDays     *int `json:"max_days"`     // from when it is set; null: no maximum
	Required    bool `json:"required"`     // never is refused
}

type PolicyLimit struct {
	Default int64 `json:"default"`
	Max     int64 `json:"max"`
}

type PolicyKeys struct {
	Max  *int `json:"max"`  // live keys of a workspace; null: any number
	Live *int `json:"live"` // that the workspace has now: not revoked and not expired; null where there is no maximum
}

func (c *call) policy(*http.Request) (any, int, error) {
	b := Bounds{}
	resp := PolicyResponse{Workspace: AllWorkspaces, Actor: c.by, May: Verbs()}
	if a := c.authority; a != nil {
		b = a.Bounds
		resp.Workspace, resp.May = a.Workspace, append([]Verb{}, a.May...)
	}
	if err := b.Normalize(); err != nil {
		return nil, 0, err
	}
	resp.Scopes = b.accepted(routeScopes(c.mappings))
	resp.Expiry = PolicyExpiry{orNull(b.Expiry.Default), orNull(b.Expiry.Max), b.Expiry.Required || b.Expiry.Max > 0}
	resp.PerMinute, resp.PerDay = PolicyLimit(b.PerMinute), PolicyLimit(b.PerDay)
	resp.Keys.Max = orNull(b.Keys)
	resp.Origins, resp.IPs = b.Origins, b.IPs
	if workspace, ok := c.authority.one(); ok && b.Keys > 0 {
		live, err := c.live(workspace)
		if err != nil {
			return nil, 0, err
		}
		resp.Keys.Live = &live
	}
	return resp, http.StatusOK, nil
}

func orNull(n int) *int {
	if n == 0 {
		return nil
	}
	return &n
}
