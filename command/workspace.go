package command

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/command/client"
	"github.com/socialpatra/keygate/command/term"
)

func (c *cli) workspaceCommand() *cobra.Command {
	var perMinute, perDay json.RawMessage
	var reset bool
	cmd := &cobra.Command{
		Use:   "workspace [<name>]",
		Short: "Shows and changes the limits over all keys of a workspace",
		Long: `Shows the limits that all keys of a workspace have together, and changes them
where a flag says so. They are charged with the limits of each key, so that
many keys do not make many quotas. The change is in force for the next request.

A workspace without limits of its own has those of workspace_limits in the
config, if any; --reset goes back to these. Without a name, all workspaces that
have limits of their own are listed.

With --json the result is {"workspace":"…","limits":{"per_minute":600,"per_day":null},
"source":"own"}; source is own, config or none, and null means not limited.`,
		Example: `  $ caddy keygate workspace acme
  $ caddy keygate workspace acme --per-minute 600 --per-day 100000
  $ caddy keygate workspace acme --per-day none
  $ caddy keygate workspace acme --reset`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.Var(limitFlag{&perMinute, "per_minute"}, "per-minute", "Requests per minute of all keys, 1 to 1,000,000,000, or none")
	flags.Var(limitFlag{&perDay, "per_day"}, "per-day", "Requests per UTC day of all keys, 1 to 1,000,000,000, or none")
	flags.BoolVar(&reset, "reset", false, "Take the workspace's own limits away")
	c.completeFlags(cmd)
	cmd.RunE = c.run(func(ctx context.Context, api *client.Client, args []string) error {
		changes := perMinute != nil || perDay != nil
		switch {
		case len(args) == 0 && (changes || reset):
			return usageError(cmd, "workspace takes the name of a workspace with these flags")
		case len(args) == 0:
			return c.listWorkspaces(ctx, api)
		case changes && reset:
			return usageError(cmd, "--reset and limits exclude each other")
		}
		if err := apikey.CheckWorkspace(args[0]); err != nil {
			return err
		}
		path := adminapi.WorkspacesPath + "/" + args[0]
		if reset {
			if err := api.Call(ctx, http.MethodDelete, path, nil, nil); err != nil {
				return err
			}
		}
		var record adminapi.WorkspaceRecord
		if changes {
			var req adminapi.WorkspaceRequest
			req.Limits.PerMinute, req.Limits.PerDay = perMinute, perDay
			if err := api.Call(ctx, http.MethodPatch, path, req, &record); err != nil {
				return err
			}
		} else if err := api.Call(ctx, http.MethodGet, path, nil, &record); err != nil {
			return err
		}
		if c.json {
			return c.PrintJSON(record)
		}
		_, err := c.Out.Write(c.describeWorkspace(&record))
		return err
	})
	return cmd
}

// limitFlag takes a whole number or "none".
type limitFlag struct {
	dst   *json.RawMessage
	field string
}

func (limitFlag) String() string { return "" }
func (limitFlag) Type() string   { return "number" }

func (f limitFlag) Set(s string) error {
	if s == "none" {
		*f.dst = json.RawMessage("null")
		return nil
	}
	var n *int64
	if err := (numberFlag{&n, f.field, "1 to 1,000,000,000, or none"}).Set(s); err != nil {
		return err
	}
	*f.dst = strconv.AppendInt(nil, *n, 10)
	return nil
}

// sourceTexts say where limits come from.
var sourceTexts = map[string]string{
	adminapi.SourceOwn:    "limits of its own",
	adminapi.SourceConfig: "workspace_limits of the config",
	adminapi.SourceNone:   "no limits over all keys",
}

func (c *cli) describeWorkspace(w *adminapi.WorkspaceRecord) []byte {
	var text []byte
	line := func(label, value string) { text = appendField(text, label, value, c.Width) }
	line("Workspace", w.Workspace)
	line("Per minute", limitText(w.Limits.PerMinute))
	line("Per day", limitText(w.Limits.PerDay))
	line("From", sourceTexts[w.Source])
	return text
}

func limitText(limit *int64) string {
	if limit == nil {
		return "not limited"
	}
	return strconv.FormatInt(*limit, 10)
}

func (c *cli) listWorkspaces(ctx context.Context, api *client.Client) error {
	var printer pagePrinter[adminapi.WorkspaceRecord] = c.workspacePages()
	if c.json {
		printer = &pageJSON[adminapi.WorkspaceRecord]{out: c.Out, field: "workspaces"}
	}
	next, err := eachPage(url.Values{}, nil, func(query url.Values) (string, error) {
		var page adminapi.WorkspacesResponse
		if err := api.Call(ctx, http.MethodGet, adminapi.WorkspacesPath+"?"+query.Encode(), nil, &page); err != nil {
			return "", err
		}
		return page.NextCursor, printer.page(page.Workspaces)
	})
	if err != nil {
		return err
	}
	return printer.end(next)
}

func (c *cli) workspacePages() *pageTable[adminapi.WorkspaceRecord] {
	return &pageTable[adminapi.WorkspaceRecord]{
		Console: c.Console,
		table: &term.Table{
			Columns: []term.Column{{Title: "WORKSPACE"}, {Title: "PER MINUTE"}, {Title: "PER DAY"}},
			Width:   c.Width,
			Colour:  c.Colour,
		},
		rows: func(w *adminapi.WorkspaceRecord) [][]term.Cell {
			return [][]term.Cell{{{Text: w.Workspace}, {Text: limitText(w.Limits.PerMinute)}, {Text: limitText(w.Limits.PerDay)}}}
		},
		what: "workspaces with limits of their own",
	}
}
