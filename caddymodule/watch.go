package caddymodule

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/socialpatra/keygate/access"
)

// tell reports the decision on a request to all observers. It computes nothing
// for observers that are not there.
func (a *answer) tell(d *access.Decision) {
	ctx := a.request.Context()
	a.verdict = verdictOf(d, a.verdict.instance)
	v := &a.verdict
	a.publish(v)
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.SetAttributes(v.attributes()...)
	}
	if d.Reason != access.Allowed || d.WouldDeny != 0 {
		a.tellDenial(v)
	}
}

// publish makes a verdict available to placeholders and the access log.
func (a *answer) publish(v *verdict) {
	ctx := a.request.Context()
	if repl, ok := ctx.Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		repl.Map(v.placeholder)
	}
	if hasAccessLog(a.request) {
		if extra, ok := ctx.Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields); ok {
			extra.Set(zap.Object("keygate", v))
		}
	}
}

// hasAccessLog reports whether the server of the site writes access logs.
func hasAccessLog(r *http.Request) bool {
	server, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	return ok && server != nil && server.Logs != nil
}

// attributes returns the attributes for a trace span.
func (v *verdict) attributes() []attribute.KeyValue {
	decision := "denied"
	if v.reason == access.Allowed {
		decision = "allowed"
	}
	attributes := []attribute.KeyValue{
		attribute.String("keygate.decision", decision),
		attribute.String("keygate.reason", v.reason.String()),
	}
	if v.authenticated {
		attributes = append(attributes, attribute.String("keygate.key_id", v.id.String()))
	}
	if v.would != 0 {
		attributes = append(attributes, attribute.String("keygate.would_deny", v.would.String()))
	}
	if v.foreign {
		attributes = append(attributes, attribute.Bool("keygate.foreign", true))
	}
	return attributes
}

// tellDenial logs a denial at debug level, because there may be many, and emits
// an event. Neither has the path, because people put tokens there by mistake.
func (a *answer) tellDenial(v *verdict) {
	h, line := a.handler, "request denied"
	if v.reason == access.Allowed {
		line = "request would be denied"
	}
	if entry := h.logger.Check(zap.DebugLevel, line); entry != nil {
		entry.Write(zap.Inline(v), zap.Int("status", v.reason.Status()), zap.Stringer("client_ip", caddyVars(a.request).clientAddr()))
	}
	if v.reason != access.Allowed {
		h.events.denied(a.request, v)
	}
}
