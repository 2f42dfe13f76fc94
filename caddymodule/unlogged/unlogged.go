// Package unlogged serves requests that have a secret in a header that Caddy's
// logs would show.
package unlogged

import (
	"errors"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Serve serves a request by next, which also tells what else to log of it. Caddy
// copies a request for its logs before any handler runs, so nothing can be taken
// out of what it logs. Serve therefore keeps Caddy from logging the request or its
// error, and writes a line of its own in place of the one in the access log,
// without headers. An error of next is answered by its status alone, because
// error routes cannot be had without Caddy's log of the error.
func Serve(w http.ResponseWriter, r *http.Request, logger *zap.Logger, next func(http.ResponseWriter) (zapcore.ObjectMarshaler, error)) {
	skipped, _ := caddyhttp.GetVar(r.Context(), caddyhttp.LogSkipVar).(bool)
	caddyhttp.SetVar(r.Context(), caddyhttp.LogSkipVar, true)
	rec := caddyhttp.NewResponseRecorder(w, nil, nil)
	start := time.Now()
	var more zapcore.ObjectMarshaler
	var err error
	defer func() { // also of what panics, such as an answer that breaks off
		if skipped || !hasAccessLog(r) {
			return
		}
		fields := []zap.Field{
			zap.Object("request", described{r}), zap.Int("status", rec.Status()), zap.Int("size", rec.Size()),
			zap.Duration("duration", time.Since(start)), zap.Error(err), // which is left out if there is none
		}
		if more != nil {
			fields = append(fields, zap.Object("keygate", more))
		}
		level := zap.InfoLevel
		if rec.Status() >= http.StatusInternalServerError {
			level = zap.ErrorLevel
		}
		logger.Log(level, "handled request", fields...)
	}()
	if more, err = next(rec); err != nil && rec.Status() == 0 {
		rec.WriteHeader(statusOf(err))
	}
}

func statusOf(err error) int {
	var withStatus caddyhttp.HandlerError
	if errors.As(err, &withStatus) && withStatus.StatusCode != 0 {
		return withStatus.StatusCode
	}
	return http.StatusInternalServerError
}

// hasAccessLog reports whether the server of the site writes access logs.
func hasAccessLog(r *http.Request) bool {
	server, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	return ok && server != nil && server.Logs != nil
}

// described is what the log has of a request, by the names that Caddy uses.
type described struct{ r *http.Request }

func (d described) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	clientIP, _ := caddyhttp.GetVar(d.r.Context(), caddyhttp.ClientIPVarKey).(string)
	enc.AddString("client_ip", clientIP)
	enc.AddString("proto", d.r.Proto)
	enc.AddString("method", d.r.Method)
	enc.AddString("host", d.r.Host)
	enc.AddString("uri", d.r.RequestURI)
	return nil
}
