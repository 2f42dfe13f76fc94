package adminapi

import (
	"net/http"

	"github.com/socialpatra/keygate/apikey"
)

// HealthResponse says that requests can be decided. If they cannot, the answer is
// an error instead.
type HealthResponse struct {
	Status  string `json:"status"`            // ready
	Warning string `json:"warning,omitempty"` // what does not work although requests are decided
}

func (a *call) health(*http.Request) (any, int, error) {
	if _, _, err := a.store.Lookup(apikey.ID{}); err != nil {
		return nil, 0, err
	}
	if a.store.HasOpaque() { // the same look-up as for a request
		if _, _, _, err := a.store.LookupOpaque(apikey.Hash{}); err != nil {
			return nil, 0, err
		}
	}
	resp := HealthResponse{Status: "ready"}
	if err := a.store.Writable(); err != nil {
		resp.Warning = err.Error()
	}
	return resp, http.StatusOK, nil
}
