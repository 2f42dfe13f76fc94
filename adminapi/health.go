package adminapi

import (
	"cmp"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/socialpatra/keygate/access"
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

	// Where the handlers are that only report, by their first route. Warning says
	// so as well.
	NotEnforced []string `json:"not_enforced,omitempty"`
}

// Failure returns the warning without its part on mode report, which is somebody's
// choice and no failure.
func (h *HealthResponse) Failure() string {
	return strings.Trim(strings.Replace(h.Warning, reportWarning(h.NotEnforced), "", 1), "; ")
}

// reportWarning says what mode report means, or "" if no handler is in it.
func reportWarning(places []string) string {
	if len(places) == 0 {
		return ""
	}
	return "mode report: nothing is enforced by keygate at " + strings.Join(places, ", ") + ", where only keys that have ended are refused"
}

// notEnforced returns where the handlers are that only report.
func (a *call) notEnforced() (places []string) {
	for i := range a.mappings {
		if a.mappings[i].Policy.Report {
			places = append(places, cmp.Or(a.mappings[i].Place(), "a place that its config does not name"))
		}
	}
	slices.SortFunc(places, access.CompareSources)
	return places
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
	if waited := a.store.Waiting(); waited >= waitsTooLong {
		warnings = append(warnings, changeWaits(waited, about.Kind))
	}
	if keys := resp.Store.Keys; about.Made && keys != nil && *keys == 0 {
		warnings = append(warnings, "made a new key store at "+about.Place+keystore.AdviceMade)
	}
	if a.warnings != nil {
		for _, err := range a.warnings() {
			warnings = append(warnings, err.Error())
		}
	}
	if resp.NotEnforced = a.notEnforced(); resp.NotEnforced != nil {
		warnings = append(warnings, reportWarning(resp.NotEnforced))
	}
	resp.Warning = strings.Join(warnings, "; ")
	return resp, http.StatusOK, nil
}

// waitsTooLong is for how long a change may wait before health tells of it. A
// sound disk takes milliseconds.
const waitsTooLong = 5 * time.Second

func changeWaits(waited time.Duration, kind string) string {
	look := "look at the disk of the key store, and whether many keys are being imported or a backup hangs"
	if kind == "redis" {
		look = "look at the engine"
	}
	return fmt.Sprintf("a change has waited for %s, and those after it wait for it; %s", waited.Truncate(time.Second), look)
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
