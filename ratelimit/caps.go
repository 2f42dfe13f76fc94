package ratelimit

import "github.com/socialpatra/keygate/apikey"

// Caps are the limits that a request is held to.
type Caps struct {
	apikey.Limits                        // of the key
	Workspace     string                 // whose bucket and quota are charged too, unless
	Together      apikey.WorkspaceLimits // is zero
}

func (c *Caps) alone() bool { return c.Together == apikey.WorkspaceLimits{} }
