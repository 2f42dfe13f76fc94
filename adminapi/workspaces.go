package adminapi

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// workspaceOf reads the name in /keygate/workspaces/{workspace}.
func workspaceOf(r *http.Request) (string, error) {
	name := r.PathValue("workspace")
	return name, apikey.CheckWorkspace(name)
}

// listWorkspaces answers with the workspaces that have limits set, sorted by
// name.
func (a *call) listWorkspaces(r *http.Request) (any, int, error) {
	limit, after := keystore.DefaultPage, ""
	err := eachParam(r, params{
		"limit": pageLimit(&limit),
		"cursor": func(value string) error {
			if apikey.CheckWorkspace(value) != nil {
				return noCursor()
			}
			after = value
			return nil
		},
	})
	if err != nil {
		return nil, 0, err
	}
	own := a.store.AllWorkspaceLimits()
	names := slices.Sorted(maps.Keys(own))
	first, found := slices.BinarySearch(names, after)
	if found {
		first++
	}
	names = names[first:]
	resp := WorkspacesResponse{Workspaces: []WorkspaceRecord{}}
	if len(names) > limit {
		names = names[:limit]
		resp.NextCursor = names[limit-1]
	}
	for _, name := range names {
		resp.Workspaces = append(resp.Workspaces, WorkspaceRecord{name, limitsRecordOf(own[name]), SourceOwn})
	}
	return resp, http.StatusOK, nil
}

// showWorkspace answers with the limits that apply to a workspace.
func (a *call) showWorkspace(r *http.Request) (any, int, error) {
	name, err := workspaceOf(r)
	if err != nil {
		return nil, 0, err
	}
	return a.workspace(name), http.StatusOK, nil
}

func (a *call) workspace(name string) WorkspaceRecord {
	if own, ok := a.store.WorkspaceLimits(name); ok {
		return WorkspaceRecord{name, limitsRecordOf(own), SourceOwn}
	}
	if a.workspaceLimits.IsZero() {
		return WorkspaceRecord{name, limitsRecordOf(a.workspaceLimits), SourceNone}
	}
	return WorkspaceRecord{name, limitsRecordOf(a.workspaceLimits), SourceConfig}
}

// limitWorkspace sets limits for a workspace: those that apply now, with the
// changes of the body.
func (a *call) limitWorkspace(r *http.Request) (any, int, error) {
	name, err := workspaceOf(r)
	if err != nil {
		return nil, 0, err
	}
	var req WorkspaceRequest
	if err := decodeBody(r, &req); err != nil {
		return nil, 0, err
	}
	if req.Limits.PerMinute == nil && req.Limits.PerDay == nil {
		return nil, 0, &apikey.FieldError{Field: "limits", Problem: "names no limit", Accepted: "an object with per_minute, per_day or both, each a whole number or null"}
	}
	record := a.workspace(name).Limits
	if err := changeLimit("per_minute", &record.PerMinute, req.Limits.PerMinute); err != nil {
		return nil, 0, err
	}
	if err := changeLimit("per_day", &record.PerDay, req.Limits.PerDay); err != nil {
		return nil, 0, err
	}
	limits, err := apikey.CheckWorkspaceLimits(record.PerMinute, record.PerDay)
	if err != nil {
		return nil, 0, err
	}
	if err := a.store.SetWorkspaceLimits(name, &limits, a.actor()); err != nil {
		return nil, 0, err
	}
	a.observer.WorkspaceChanged("limit", name, a.actor())
	return a.workspace(name), http.StatusOK, nil
}

// unlimitWorkspace removes the limits set for a workspace.
func (a *call) unlimitWorkspace(r *http.Request) (any, int, error) {
	name, err := workspaceOf(r)
	if err != nil {
		return nil, 0, err
	}
	if err := a.store.SetWorkspaceLimits(name, nil, a.actor()); err != nil {
		return nil, 0, err
	}
	a.observer.WorkspaceChanged("unlimit", name, a.actor())
	return nil, http.StatusNoContent, nil
}

// Where the limits of a workspace come from.
const (
	SourceOwn    = "own"
	SourceConfig = "config"
	SourceNone   = "none"
)

// WorkspaceRecord has the limits of all keys of a workspace together.
type WorkspaceRecord struct {
	Workspace string          `json:"workspace"`
	Limits    workspaceLimits `json:"limits"`
	Source    string          `json:"source"` // own, config (workspace_limits) or none
}

// workspaceLimits are limits in JSON form; null means not limited.
type workspaceLimits struct {
	PerMinute *int64 `json:"per_minute"`
	PerDay    *int64 `json:"per_day"`
}

func limitsRecordOf(lim apikey.WorkspaceLimits) workspaceLimits {
	orNull := func(n uint32) *int64 {
		if n == 0 {
			return nil
		}
		v := int64(n)
		return &v
	}
	return workspaceLimits{orNull(lim.PerMinute), orNull(lim.PerDay)}
}

// WorkspaceRequest changes limits. It names at least one; an absent one stays as it
// is, and null means not limited.
type WorkspaceRequest struct {
	Limits struct {
		PerMinute json.RawMessage `json:"per_minute,omitempty"`
		PerDay    json.RawMessage `json:"per_day,omitempty"`
	} `json:"limits"`
}

func changeLimit(field string, limit **int64, to json.RawMessage) error {
	switch {
	case to == nil:
		return nil
	case bytes.Equal(to, []byte("null")):
		*limit = nil
		return nil
	}
	var n int64
	if err := json.Unmarshal(to, &n); err != nil {
		return &apikey.FieldError{Field: field, Problem: "is not a whole number", Accepted: "1 to 1,000,000,000, or null for no limit"}
	}
	*limit = &n
	return nil
}

type WorkspacesResponse struct {
	Workspaces []WorkspaceRecord `json:"workspaces"`
	NextCursor string            `json:"next_cursor"`
}
