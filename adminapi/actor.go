package adminapi

import (
	"net/http"
	"net/url"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// ByHeader says who makes a change, as the caller says of itself: 1 to 200
// characters by the rules for names, percent-encoded as in a path.
const ByHeader = "Keygate-By"

// actorOf reads ByHeader. A request without it is by nobody in particular.
func actorOf(r *http.Request) (string, error) {
	values := r.Header.Values(ByHeader)
	if len(values) == 0 {
		return "", nil
	}
	by, err := url.PathUnescape(values[0])
	if err != nil || len(values) > 1 {
		return "", &apikey.FieldError{Field: "the header " + ByHeader, Problem: "does not parse", Accepted: "one name, percent-encoded"}
	}
	return by, apikey.CheckActor(by)
}

// viaOf says for the audit trail how a request arrived.
func (s *Server) viaOf(r *http.Request) string {
	if s.via != "" {
		return s.via
	}
	if addr, ok := r.Context().Value(http.LocalAddrContextKey).(interface {
		Network() string
		String() string
	}); ok && addr.Network() == "unix" {
		return "unix " + addr.String()
	}
	return "api " + r.RemoteAddr
}

// identify notes who calls, and how: what the authority says, or what the caller
// says of itself.
func (c *call) identify(r *http.Request) (err error) {
	if a := c.authority; a != nil {
		c.by, c.via = a.Actor, a.Via
		return nil
	}
	c.by, err = actorOf(r)
	c.via = c.viaOf(r)
	return err
}

func (c *call) actor() keystore.Actor {
	actor := keystore.Actor{At: c.now().UTC(), Via: c.via, By: c.by, Claimed: c.by != "", Replication: &c.replication}
	if a := c.authority; a != nil {
		actor.Claimed, actor.MaxLive = false, a.Bounds.Keys
	}
	return actor
}

func (c *call) changed(action string, id apikey.ID) {
	c.observer.KeyChanged(action, id.String(), c.actor())
}
