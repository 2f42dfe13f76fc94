package adminapi

import (
	"net/http"
	"os"
	"strings"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// HealthResponse says that requests can be decided, and by whom. If they cannot,
// the answer is an error instead.
type HealthResponse struct {
	Status  string    `json:"status"`            // ready
	Warning string    `json:"warning,omitempty"` // what does not work although requests are decided
	Store   StoreInfo `json:"store"`
	PID     int       `json:"pid"` // of the process that answers
}

// StoreInfo says which key store answers. There may be several on a machine, by
// mistake too.
type StoreInfo struct {
	Kind   string `json:"kind"`           // bbolt or redis
	Place  string `json:"place"`          // the absolute path of the file, or the engine
	Schema int    `json:"schema"`         // the version of what is stored
	Keys   *int   `json:"keys,omitempty"` // missing where they cannot be counted now
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
	about := a.store.About()
	resp := HealthResponse{
		Status: "ready",
		Store:  StoreInfo{Kind: about.Kind, Place: about.Place, Schema: about.Schema, Keys: a.countKeys()},
		PID:    os.Getpid(),
	}
	var warnings []string
	if err := a.store.Writable(); err != nil {
		warnings = append(warnings, err.Error())
	}
	if keys := resp.Store.Keys; about.Made && keys != nil && *keys == 0 {
		warnings = append(warnings, "made a new key store at "+about.Place+keystore.AdviceMade)
	}
	if a.warnings != nil {
		for _, err := range a.warnings() {
			warnings = append(warnings, err.Error())
		}
	}
	resp.Warning = strings.Join(warnings, "; ")
	return resp, http.StatusOK, nil
}

// countKeys returns how many keys there are, or nil if the store does not know
// now.
func (a *call) countKeys() *int {
	counts := a.store.Counts(a.now())
	if counts == nil {
		return nil
	}
	keys := keystore.Total(counts)
	return &keys
}
