package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/command/client"
)

func (c *cli) updateCommand() *cobra.Command {
	var key keyFlags
	var without clearFlags
	cmd := &cobra.Command{
		Use:   "update <id>",
		Short: "Changes the settings of a key",
		Long: `Changes the settings of a key, named by its ID or prefix, and shows it. What no
flag names stays as it is; a list replaces the whole list that there was. The
change is in force for the next request. The ID, the token and the workspace of
a key never change.`,
		Example: `  $ caddy keygate update 7Hk2Qp9aX3bC --scope posts:read,posts:write
  $ caddy keygate update 7Hk2Qp9aX3bC --per-minute 600 --burst 20
  $ caddy keygate update 7Hk2Qp9aX3bC --never-expires --no-origins --no-ips`,
		Args:              oneKey,
		ValidArgsFunction: c.completeKey,
		RunE: c.runOn(func(ctx context.Context, api *client.Client, id apikey.ID) error {
			req, err := key.request()
			if err != nil {
				return err
			}
			if err := without.apply(&req); err != nil {
				return err
			}
			if nothing(req) {
				return errors.New("nothing to change; name it with --name, --description, --scope, --expires-in-days, --expires-at, --never-expires, " +
					"--per-minute, --per-day, --burst, --origin, --no-origins, --ip or --no-ips")
			}
			var changed apikey.Record
			if err := api.Call(ctx, http.MethodPatch, keyPath(id), req, &changed); err != nil {
				return err
			}
			if c.json {
				return c.PrintJSON(changed)
			}
			_, err = c.Out.Write(c.describe(&changed))
			return err
		}),
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	key.add(cmd)
	flags.VisitAll(func(f *pflag.Flag) { f.Usage, _, _ = strings.Cut(f.Usage, " (default ") }) // a setting that is not given stays
	flags.BoolVar(&without.expiry, "never-expires", false, "The key does not expire any more")
	flags.BoolVar(&without.origins, "no-origins", false, "Any web origin may use the key again")
	flags.BoolVar(&without.ips, "no-ips", false, "Any IP address may use the key again")
	c.completeFlags(cmd)
	return cmd
}

// clearFlags remove a setting.
type clearFlags struct{ expiry, origins, ips bool }

func (f clearFlags) apply(req *adminapi.KeyRequest) error {
	switch {
	case req.ExpiresInDays != nil && req.ExpiresAt != nil:
		return exclude("--expires-in-days", "--expires-at")
	case f.expiry && req.ExpiresInDays != nil:
		return exclude("--never-expires", "--expires-in-days")
	case f.expiry && req.ExpiresAt != nil:
		return exclude("--never-expires", "--expires-at")
	case f.origins && req.AllowedOrigins != nil:
		return exclude("--no-origins", "--origin")
	case f.ips && req.AllowedIPs != nil:
		return exclude("--no-ips", "--ip")
	}
	if f.expiry {
		req.ExpiresAt = json.RawMessage("null")
	}
	if f.origins {
		req.AllowedOrigins = &[]string{}
	}
	if f.ips {
		req.AllowedIPs = &[]string{}
	}
	return nil
}

func exclude(one, other string) error { return fmt.Errorf("%s and %s exclude each other", one, other) }

// nothing reports whether a request changes no setting.
func nothing(req adminapi.KeyRequest) bool {
	req.AllowUnknownScope = false
	return reflect.ValueOf(req).IsZero()
}
