package command

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/command/client"
	"github.com/socialpatra/keygate/command/term"
	"github.com/socialpatra/keygate/internal/english"
	"github.com/socialpatra/keygate/review"
)

func (c *cli) reviewCommand() *cobra.Command {
	var workspace *string
	cmd := &cobra.Command{
		Use:   "review",
		Short: "Lists what to do about which key",
		Long: `Lists the keys that could do with less, in the order of their IDs: what was found
about each, and below most of them the command to type, if somebody agrees.

  never_used    not used since it was made
  idle          not used for 90 days
  expiring      expires within 30 days; a rotation keeps the expiry
  no_expiry     works until somebody ends it
  unused_scope  a scope that was not used in 90 days
  one_network   no list of addresses, and used from one network alone, an IPv4 /24
                or an IPv6 /48, in 30 days or more
  high_limits   may use in a day at least 20 times what it used on the busiest of
                the last 90; said of keys that are used for 30 days

Nothing is said of a scope or a network that was watched for a shorter time, nor
of keys that are revoked or expired. Of a disabled key, and of one that is not
used, only the first four are listed. It changes nothing, and the exit status is
0 whether it lists keys or not.

With --json the result is {"keys":[{"id":"…","prefix":"…","workspace":"…",
"name":"…","status":"active","findings":[{"code":"…","detail":"…","scope":"…",
"watched_since":"…","suggest":{"do":"update","change":{…}}}]}],"next_cursor":""}.`,
		Example: `  $ caddy keygate review
  $ caddy keygate review --workspace acme
  $ caddy keygate review --json | jq -r '.keys[] | select(.findings[].code == "idle") | .id'`,
		Args:              noArgument,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: c.run(func(ctx context.Context, api *client.Client, _ []string) error {
			query := url.Values{}
			if workspace != nil {
				query.Set("workspace", *workspace)
			}
			return c.review(ctx, api, query)
		}),
	}
	cmd.Flags().Var(textFlag{&workspace, "workspace"}, "workspace", "Only keys of this workspace")
	c.completeFlags(cmd)
	return cmd
}

func (c *cli) review(ctx context.Context, api *client.Client, query url.Values) error {
	var printer pagePrinter[adminapi.ReviewedKey] = &reviewPages{Console: c.Console}
	if c.json {
		printer = &pageJSON[adminapi.ReviewedKey]{out: c.Out, field: "keys"}
	}
	next, err := eachPage(query, nil, func(query url.Values) (string, error) {
		var page adminapi.ReviewResponse
		if err := api.Call(ctx, http.MethodGet, adminapi.ReviewPath+"?"+query.Encode(), nil, &page); err != nil {
			return "", err
		}
		return page.NextCursor, printer.page(page.Keys)
	})
	if err != nil {
		return err
	}
	return printer.end(next)
}

// reviewPages prints keys with their findings. It cuts nothing, as the commands
// are there to be copied.
type reviewPages struct {
	*term.Console
	shown int
}

func (p *reviewPages) page(keys []adminapi.ReviewedKey) error {
	for i := range keys {
		var text strings.Builder
		p.write(&text, &keys[i])
		if _, err := fmt.Fprint(p.Out, text.String()); err != nil {
			return err
		}
		p.shown++
	}
	return nil
}

func (p *reviewPages) end(string) error {
	if p.shown == 0 {
		p.Note("nothing to do about any key")
		return nil
	}
	// Without this line, a list that broke off could pass for the whole.
	_, err := fmt.Fprintf(p.Out, "\nThere is something to do about %s.\n", english.Plural(p.shown, "key"))
	return err
}

// codeWidth is that of the longest code.
const codeWidth = len(review.UnusedScope)

func (p *reviewPages) write(text *strings.Builder, k *adminapi.ReviewedKey) {
	if p.shown > 0 {
		text.WriteByte('\n')
	}
	fmt.Fprintf(text, "%s  %s  %s\n", k.Prefix, term.Visible(k.Workspace), term.Visible(k.Name))
	for i := range k.Findings {
		f := &k.Findings[i]
		code := fmt.Sprintf("%-*s", codeWidth, f.Code)
		if p.Colour {
			code = term.Yellow + code + term.ColourEnd
		}
		fmt.Fprintf(text, "  %s  %s\n", code, term.Visible(f.Detail))
		again := i+1 < len(k.Findings) && reflect.DeepEqual(f.Suggest, k.Findings[i+1].Suggest)
		if f.Suggest != nil && !again { // one command does for several scopes
			fmt.Fprintf(text, "  %*s  %s\n", codeWidth, "", term.Visible(suggested(k.Prefix, f.Suggest)))
		}
	}
}

// suggested is the command that follows a suggestion.
func suggested(prefix string, s *review.Suggestion) string {
	words := []string{"caddy keygate", string(s.Do), prefix}
	if c := s.Change; c != nil {
		if len(c.Scopes) > 0 {
			words = append(words, "--scope", strings.Join(c.Scopes, ","))
		}
		if c.ExpiresInDays > 0 {
			words = append(words, "--expires-in-days", strconv.Itoa(c.ExpiresInDays))
		}
		if len(c.AllowedIPs) > 0 {
			words = append(words, "--ip", strings.Join(c.AllowedIPs, ","))
		}
		if c.Limits != nil {
			words = append(words, "--per-day", strconv.FormatUint(uint64(c.Limits.PerDay), 10))
		}
	}
	return strings.Join(words, " ")
}
