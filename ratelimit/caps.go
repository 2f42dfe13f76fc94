package ratelimit

import "github.com/socialpatra/keygate/apikey"

// Caps are the limits that a request is held to.
type Caps struct {
	apikey.Limits                        // of the key
	Workspace     string                 // whose bucket and quota are charged too, unless
	Together      apikey.WorkspaceLimits // is zero
}

func (c *Caps) alone() bool { return c.Together == apikey.WorkspaceLimits{} }

// together returns the workspace's limits in the form of a key's, where zero
// means that there is no such limit.
func (c *Caps) together() apikey.Limits {
	return apikey.Limits{PerMinute: c.Together.PerMinute, Burst: c.Together.PerMinute, PerDay: c.Together.PerDay}
}
