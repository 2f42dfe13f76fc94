package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
)

// workspacesPage lists the workspaces that have limits of their own.
type workspacesPage struct {
	shell
	Rows     []workspaceRow
	Next     string
	Later    bool
	Typed    string
	Problems problems
	NoPowers bool
}

type workspaceRow struct{ Name, PerMinute, PerDay string }

func (v *visit) workspaces() error {
	if !v.all() {
		return errNoPage
	}
	page := workspacesPage{shell: v.shell("Workspaces"), NoPowers: !v.may(adminapi.VerbList), Problems: make(problems)}
	if page.NoPowers {
		return v.show(http.StatusForbidden, "workspaces", page)
	}
	q := v.r.URL.Query()
	status := http.StatusOK
	if name := q.Get("name"); name != "" {
		if err := apikey.CheckWorkspace(name); err == nil {
			return v.seeOther("/workspaces/"+name, "")
		} else if other := page.Problems.addError(err); other != nil {
			return other
		}
		page.Typed, status = name, http.StatusUnprocessableEntity
	}
	api := url.Values{"limit": {strconv.Itoa(pageSize)}}
	if cursor := q.Get("cursor"); cursor != "" {
		api.Set("cursor", cursor)
		page.Later = true
	}
	resp, err := ask[adminapi.WorkspacesResponse](v, adminapi.WorkspacesPath+"?"+api.Encode())
	if err != nil {
		return err
	}
	page.Next = resp.NextCursor
	for _, w := range resp.Workspaces {
		page.Rows = append(page.Rows, workspaceRow{w.Workspace, limitOrNone(w.Limits.PerMinute), limitOrNone(w.Limits.PerDay)})
	}
	return v.show(status, "workspaces", page)
}

func limitOrNone(n *int64) string {
	if n == nil {
		return "no limit"
	}
	return number(*n)
}

// workspacePage is one workspace and its limits.
type workspacePage struct {
	shell
	Name              string
	Source            string
	PerMinute, PerDay string // as typed; "": no limit
	Problems          problems
	CanChange         bool
}

func workspacePath(name string) string { return adminapi.WorkspacesPath + "/" + url.PathEscape(name) }

func (v *visit) workspace() error {
	w, err := ask[adminapi.WorkspaceRecord](v, workspacePath(v.r.PathValue("name")))
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, "workspace", v.workspacePage(&w))
}

func (v *visit) workspacePage(w *adminapi.WorkspaceRecord) workspacePage {
	typed := func(n *int64) string {
		if n == nil {
			return ""
		}
		return strconv.FormatInt(*n, 10)
	}
	return workspacePage{
		shell: v.shell(w.Workspace), Name: w.Workspace, Source: w.Source, PerMinute: typed(w.Limits.PerMinute), PerDay: typed(w.Limits.PerDay),
		CanChange: v.may(adminapi.VerbUpdate),
	}
}

func (v *visit) limitWorkspace() error {
	w, err := ask[adminapi.WorkspaceRecord](v, workspacePath(v.r.PathValue("name")))
	if err != nil {
		return err
	}
	if v.typed.Get("remove") != "" {
		if answer := v.do(http.MethodDelete, workspacePath(w.Workspace), nil); answer.Err != nil {
			return &refusal{status: answer.Status, err: answer.Err}
		}
		return v.seeOther("/workspaces/"+w.Workspace, "freed")
	}
	page := v.workspacePage(&w)
	page.PerMinute, page.PerDay = withoutToken(v.typed.Get("per_minute")), withoutToken(v.typed.Get("per_day"))
	page.Problems = tokensIn(v.typed)
	var req adminapi.WorkspaceRequest
	read := func(field, text string) json.RawMessage {
		if text == "" {
			return json.RawMessage("null")
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 1 || n > apikey.MaxWorkspaceLimit {
			page.Problems.add(field, fmt.Sprintf("Write a whole number from 1 to %s, or nothing for no limit.", number(int64(apikey.MaxWorkspaceLimit))))
		}
		return json.RawMessage(strconv.FormatInt(n, 10))
	}
	req.Limits.PerMinute, req.Limits.PerDay = read("per_minute", page.PerMinute), read("per_day", page.PerDay)
	if len(page.Problems) > 0 {
		return v.show(http.StatusUnprocessableEntity, "workspace", page)
	}
	if answer := v.do(http.MethodPatch, workspacePath(w.Workspace), req); answer.Err != nil {
		if other := page.Problems.addError(answer.Err); other != nil {
			return &refusal{status: answer.Status, err: other}
		}
		return v.show(http.StatusUnprocessableEntity, "workspace", page)
	}
	return v.seeOther("/workspaces/"+w.Workspace, "limited")
}
