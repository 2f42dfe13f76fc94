package caddymodule

import (
	"net/http"
	"strconv"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/socialpatra/keygate/caddymodule/response"
	"github.com/socialpatra/keygate/ratelimit"
)

// FailuresWithin returns the budgets of clients that may hand in perMinute tokens a
// minute. Handlers with the same auth_failures share them. An error means that the
// store cannot be opened.
func (a *App) FailuresWithin(perMinute int) (*ratelimit.Failures, error) {
	e, err := a.open()
	if err != nil {
		return nil, err
	}
	return e.failuresWithin(failureBudget{perMinute: perMinute}), nil
}

// KeyHeaders returns the headers that carry tokens besides Authorization, of all
// keygate handlers of the config. They are known once it is provisioned.
func (a *App) KeyHeaders() (names []string) {
	for i := range a.mappings {
		if name := a.mappings[i].Header; name != "" {
			names = append(names, name)
		}
	}
	return names
}

// ReportStoreFailure notes that the store could not do what a request needs, if
// that is what the error says.
func (a *App) ReportStoreFailure(path string, err error) { reportStoreFailure(a.logger, path, err) }

// Refuse answers a request with a problem in the form of the denials. The answer to
// two requests differs in nothing but Request-Id.
func Refuse(w http.ResponseWriter, r *http.Request, status int, code, detail string) error {
	problem := response.Problem{
		Type:   "urn:keygate:problem:" + code,
		Title:  http.StatusText(status),
		Status: status,
		Code:   code,
		Detail: detail,
	}
	if code == "invalid_request" { // the one of these codes that is OAuth's too
		problem.Error = code
	}
	body := problem.Body()
	instance := response.NewInstance()
	if extra, ok := r.Context().Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields); ok {
		extra.Set(zap.Dict("keygate", zap.String("reason", code), zap.String("instance", instance)))
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Request-Id", instance)
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client may have gone
	}
	return nil
}
