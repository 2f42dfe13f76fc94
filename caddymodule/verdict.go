package caddymodule

import (
	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap/zapcore"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"
)

// verdict is the decision on one request for observers: placeholders, access log,
// traces and events. None of it is secret.
type verdict struct {
	reason   access.Reason // 0: nothing was decided
	would    access.Reason // of a denial that is only reported, or 0
	foreign  bool          // passes without a key of ours
	instance string        // set for a refusal
	ended    access.Reason // 0: it was served to its end

	authenticated bool // the fields below are set
	id            apikey.ID
	workspace     string
	scopes        *apikey.ScopeSet
}

func verdictOf(d *access.Decision, instance string) verdict {
	v := verdict{reason: d.Reason, would: d.WouldDeny, foreign: d.Foreign && d.Reason == access.Allowed, instance: instance, authenticated: d.Authenticated}
	if d.Authenticated {
		v.id, v.workspace, v.scopes = d.ID, d.Grant.Workspace, d.Grant.Scopes
	}
	return v
}

// LetInByKey is a placeholder for handlers behind this one: it has a value only if
// a key was found good for the request.
const LetInByKey = "http.auth.keygate.key"

var _ caddy.ReplacerFunc = (*verdict)(nil).placeholder

// placeholder returns {http.auth.user.id}, {http.auth.user.workspace},
// {http.auth.user.scopes}, {http.auth.keygate.key}, {http.auth.keygate.reason}, in
// mode report {http.auth.keygate.would_deny}, and for a refusal
// {http.auth.keygate.instance}. Values are computed only when they are asked for.
func (v *verdict) placeholder(key string) (any, bool) {
	switch {
	case key == "http.auth.keygate.reason" && v.reason != 0:
		return v.reason.String(), true
	case key == "http.auth.keygate.instance" && v.instance != "":
		return v.instance, true
	case key == "http.auth.keygate.would_deny" && v.would != 0:
		return v.would.String(), true
	case !v.authenticated:
		return nil, false
	case key == LetInByKey:
		return true, true
	case v.would != 0 && v.reason == access.Allowed:
		return nil, false // it passes, and not as this key
	case key == "http.auth.user.id":
		return v.id.String(), true
	case key == "http.auth.user.workspace":
		return v.workspace, true
	case key == "http.auth.user.scopes":
		return v.scopes.Joined, true
	default:
		return nil, false
	}
}

// MarshalLogObject writes the field keygate of the access log.
func (v *verdict) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	if v.authenticated {
		enc.AddString("key_id", v.id.String())
		enc.AddString("workspace", v.workspace)
	}
	if v.reason != 0 {
		enc.AddString("reason", v.reason.String())
	}
	if v.would != 0 {
		enc.AddString("would_deny", v.would.String())
	}
	if v.foreign {
		enc.AddBool("foreign", true)
	}
	if v.ended != 0 {
		enc.AddString("ended", v.ended.String())
	}
	if v.instance != "" {
		enc.AddString("instance", v.instance)
	}
	return nil
}
