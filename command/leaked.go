package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/command/client"
	"github.com/socialpatra/keygate/command/term"
	"github.com/socialpatra/keygate/internal/english"
	"github.com/socialpatra/keygate/tokenscan"
)

// tokensAtOnce is how many tokens one call of the API asks about. Each of them
// may be a change on the disk.
const tokensAtOnce = 100

func (c *cli) leakedCommand() *cobra.Command {
	var then *string
	cmd := &cobra.Command{
		Use:   "leaked <file>|- --then report|disable|revoke",
		Short: "Deals with keys whose tokens leaked",
		Long: `Reads a text with tokens that leaked, such as a log, a chat or a report, from a
file or with - from stdin, and finds the tokens in it as caddy keygate scan does.
Of each that is the genuine token of a key, the history says that it leaked, the
log and an event tell of it, and the key is dealt with as --then says:

  report   nothing else
  disable  it is refused until somebody enables it again
  revoke   it is refused for good

A token with a right ID and another secret is unknown, and changes nothing. The
exit status is 1 if no token in the text is one of a key.

With --json the result is {"found":[{"prefix":"…","done":"revoked","was":"active",
"key":{…}}],"unknown":0}; done is nothing, reported, disabled or revoked.`,
		Example: `  $ caddy keygate leaked - --then revoke < token.txt
  $ caddy keygate leaked report.html --then disable --json`,
		Args: oneFile("the file to read, or - for stdin"),
		RunE: c.run(func(ctx context.Context, api *client.Client, args []string) error {
			if err := checkThen(then); err != nil {
				return err
			}
			return c.leaked(ctx, api, args[0], *then)
		}),
	}
	cmd.Flags().Var(textFlag{&then, "--then"}, "then", "The `action` on the keys: report, disable or revoke")
	_ = cmd.RegisterFlagCompletionFunc("then", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return completed(leakedActions)
	})
	return cmd
}

// leakedActions are the values of --then. The API can also look only, which scan
// does for the command.
var leakedActions = []string{adminapi.ThenReport, adminapi.ThenDisable, adminapi.ThenRevoke}

func checkThen(then *string) error {
	err := &apikey.FieldError{Field: "--then", Problem: "is missing", Accepted: "report, disable or revoke"}
	switch {
	case then == nil:
		return err
	case !slices.Contains(leakedActions, *then):
		err.Problem = apikey.Quote(*then) + " is not accepted"
		return err
	default:
		return nil
	}
}

func (c *cli) leaked(ctx context.Context, api *client.Client, path, then string) error {
	text := c.In
	if path != stdinOut {
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		text = file
	} else if c.Answers {
		c.Note("Enter the text, and Ctrl+D after it:")
	}
	finds, err := differentTokens(text)
	switch {
	case err != nil:
		return fmt.Errorf("reading the text: %w", err)
	case len(finds) == 0:
		return errors.New("there is no whole token in the text, so nothing was done")
	}
	api.TakesLong = true
	all := adminapi.LeakedResponse{Found: []adminapi.LeakedToken{}}
	for from := 0; from < len(finds); from += tokensAtOnce {
		found, err := askAbout(ctx, api, finds[from:min(from+tokensAtOnce, len(finds))], then)
		if err != nil {
			return err
		}
		for _, t := range found {
			if t.Key == nil {
				all.Unknown++
			}
			if err := c.sayLeaked(&t); err != nil {
				return err
			}
		}
		all.Found = append(all.Found, found...)
	}
	if c.json {
		err = c.PrintJSON(all)
	}
	if err == nil && all.Unknown == len(all.Found) {
		err = fmt.Errorf("the text has %s, and no key has any of them; nothing was done", english.Plural(all.Unknown, "token"))
	}
	return err
}

// differentTokens finds each token of a text once.
func differentTokens(text io.Reader) (finds []tokenscan.Find, err error) {
	seen := make(map[apikey.Hash]bool)
	_, err = tokenscan.Scanner{}.Scan(text, func(f tokenscan.Find) error {
		if hash := f.Hash(); !seen[hash] {
			seen[hash] = true
			finds = append(finds, f)
		}
		return nil
	})
	return finds, err
}

// askAbout asks what the tokens are, and has their keys dealt with. The answer
// has the tokens in the same order.
func askAbout(ctx context.Context, api *client.Client, finds []tokenscan.Find, then string) ([]adminapi.LeakedToken, error) {
	var text strings.Builder
	for _, f := range finds {
		text.WriteString(f.Token() + "\n")
	}
	var resp adminapi.LeakedResponse
	if err := api.Call(ctx, http.MethodPost, adminapi.LeakedPath, adminapi.LeakedRequest{Text: text.String(), Then: then}, &resp); err != nil {
		return nil, err
	}
	same := len(resp.Found) == len(finds)
	for i := range resp.Found {
		same = same && resp.Found[i].Prefix == finds[i].Prefix()
	}
	if !same {
		return nil, errors.New("the answer is about other tokens than were sent; the Caddy and the command may be of different versions")
	}
	return resp.Found, nil
}

func (c *cli) sayLeaked(t *adminapi.LeakedToken) error {
	switch {
	case c.json:
		return nil
	case t.Key == nil:
		return c.Say("%s unknown", t.Prefix)
	default:
		return c.Say("%s %s, was %s, %s", t.Prefix, t.Done, t.Was, c.whose(t.Key))
	}
}

// whose says whose key it is, and when it was last used.
func (c *cli) whose(k *apikey.Record) string {
	return fmt.Sprintf("%s, %q, last used %s", k.Workspace, k.Name, term.FullTime(k.LastUsedAt, c.Now()))
}
