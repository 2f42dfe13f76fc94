package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/command/client"
	"github.com/socialpatra/keygate/tokenscan"
)

func (c *cli) scanCommand() *cobra.Command {
	var brand *string
	cmd := &cobra.Command{
		Use:   "scan <file>…|-",
		Short: "Finds tokens in files, folders and streams",
		Long: `Finds tokens in any text by their form and checksum, so that what only looks like
one is not told. It prints file, line and prefix, and never a token. Folders are
read with all that is in them. With - it reads stdin, such as all of a history:
git log -p --all | caddy keygate scan -

With --db or a running Caddy it also says of each token whether it is one of a key,
of which status and workspace, and when it was last used; for that the tokens
are sent to the admin API. Without --db, --address and --config it goes by form and
checksum alone where no Caddy answers.

A token is found as it is, quoted, or with escaped characters, up to three times
over: as JSON and JavaScript (\u005f, \x5f), URLs (%5F) and HTML (&#95;) write them;
and in UTF-16 with a byte order mark. It is not found in base64, in compressed or
encrypted files, and where line breaks divide it.

The exit status is 1 if a token of an active key is found; if any token is found
and no store says what it is; and if a file cannot be read. Symbolic links in
folders, sockets and the like are not read, and told by their number.

With --json the result is {"found":[{"file":"…","line":1,"prefix":"…","status":"active",
"key":{…}}],"files":0,"bytes":0,"unreadable":0,"left_out":0}. Line 0 is the name of the
file itself; status is unknown for a token of no key, and missing without a
store.`,
		Example: `  $ caddy keygate scan .
  $ caddy keygate scan app.log old.sql --db ./data/keygate.db
  $ git log -p --all | caddy keygate scan - --brand patra --json`,
		Args: someFiles,
		RunE: c.run(func(ctx context.Context, api *client.Client, args []string) error {
			s := &scan{cli: c, ctx: ctx, api: api, known: true}
			if brand != nil {
				if s.scanner.Brand = *brand; apikey.CheckBrand(*brand) != nil {
					return &apikey.FieldError{Field: "--brand", Problem: "is not a brand", Accepted: "a lower-case letter, then 1 to 15 lower-case letters or digits"}
				}
			}
			return s.all(args)
		}),
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.Var(textFlag{&brand, "--brand"}, "brand", "Only tokens of this `brand`, the part before the first underscore (default any)")
	return cmd
}

// someFiles accepts one file or more, and - at most once.
func someFiles(cmd *cobra.Command, args []string) error {
	streams := 0
	for _, arg := range args {
		switch arg {
		case "":
			return usageError(cmd, "%s takes files, but the name of one is empty", cmd.Name())
		case stdinOut:
			streams++
		}
	}
	if len(args) == 0 || streams > 1 {
		return usageError(cmd, "%s takes files and folders, or - for stdin, but was given none or - twice", cmd.Name())
	}
	return nil
}

// scan is one run of caddy keygate scan.
type scan struct {
	*cli
	ctx     context.Context
	api     *client.Client
	scanner tokenscan.Scanner
	known   bool // a store says what the tokens are, as far as is known

	waiting []placed // not printed yet
	begun   bool     // the JSON is
	tokens  int      // that were found
	live    int      // of these, those of active keys

	scanned
}

// scanned is how much was read, and what was not.
type scanned struct {
	Files      int   `json:"files"`
	Bytes      int64 `json:"bytes"`
	Unreadable int   `json:"unreadable"`
	LeftOut    int   `json:"left_out"`
}

// placed is a token at its place.
type placed struct {
	file string // as it may be shown
	find tokenscan.Find
}

// foundToken is a token in JSON.
type foundToken struct {
	File   string         `json:"file"`
	Line   int64          `json:"line"` // 0: in the name of the file
	Prefix string         `json:"prefix"`
	Status string         `json:"status,omitempty"`
	Key    *apikey.Record `json:"key,omitempty"`
}

func (s *scan) all(args []string) error {
	s.api.TakesLong, s.api.OnlyReads = true, true
	for _, arg := range args {
		if err := s.path(arg); err != nil {
			return err
		}
	}
	if err := s.print(); err != nil {
		return err
	}
	return s.end()
}

// path scans what was named: stdin, a folder, or anything else that can be read,
// links and pipes too. An error is one that ends the whole scan.
func (s *scan) path(arg string) error {
	if arg == stdinOut {
		return s.stream("stdin", s.In)
	}
	info, err := os.Stat(arg)
	if err != nil {
		s.unreadable(arg, err)
		return nil
	}
	if !info.IsDir() {
		return s.file(arg, arg)
	}
	// With a dot behind it a link to a folder is that folder.
	return filepath.WalkDir(arg+string(filepath.Separator)+".", func(path string, entry fs.DirEntry, err error) error {
		path = filepath.Clean(path)
		switch {
		case err != nil:
			s.unreadable(path, err)
			return nil
		case entry.Type().IsRegular():
			return s.file(path, entry.Name())
		case entry.IsDir():
			return s.name(path, entry.Name())
		}
		s.LeftOut++
		return s.name(path, entry.Name())
	})
}

// file scans a file and its name.
func (s *scan) file(path, name string) error {
	if err := s.name(path, name); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		s.unreadable(path, err)
		return nil
	}
	defer f.Close()
	return s.stream(path, f)
}

func (s *scan) name(path, name string) error {
	for _, f := range tokenscan.In(name) {
		if f.Line = 0; s.scanner.Brand != "" && f.Brand != s.scanner.Brand {
			continue
		}
		if err := s.found(path, f); err != nil {
			return err
		}
	}
	return nil
}

func (s *scan) stream(path string, r io.Reader) error {
	var stop error
	n, err := s.scanner.Scan(r, func(f tokenscan.Find) error {
		stop = s.found(path, f)
		return stop
	})
	s.Bytes += n
	if stop == nil && err != nil {
		s.unreadable(path, err)
		return nil
	}
	s.Files++
	return stop
}

func (s *scan) unreadable(path string, err error) {
	if wrapped, ok := errors.AsType[*fs.PathError](err); ok {
		err = wrapped.Err // its path may not be shown
	}
	s.Unreadable++
	s.Note("%s: %v", shownPath(path), err)
}

// shownPath is a path without the tokens that people have put into it.
func shownPath(path string) string {
	names := strings.Split(filepath.ToSlash(path), "/")
	for i, name := range names {
		if apikey.ContainsToken(name) || len(tokenscan.In(name)) > 0 {
			names[i] = "(a name with a token)"
		}
	}
	return strings.Join(names, "/")
}

func (s *scan) found(path string, f tokenscan.Find) error {
	s.tokens++
	s.waiting = append(s.waiting, placed{shownPath(path), f})
	if len(s.waiting) < tokensAtOnce {
		return nil
	}
	return s.print()
}

// print prints the tokens that wait for it, with what the store says of them.
func (s *scan) print() error {
	told, err := s.ask()
	if err != nil {
		return err
	}
	for i, p := range s.waiting {
		t := foundToken{File: p.file, Line: p.find.Line, Prefix: p.find.Prefix()}
		if told != nil {
			if t.Status, t.Key = "unknown", told[i].Key; t.Key != nil {
				t.Status = string(t.Key.Status)
			}
			if t.Status == string(apikey.Active) {
				s.live++
			}
		}
		if err := s.printOne(&t); err != nil {
			return err
		}
	}
	s.waiting = s.waiting[:0]
	return nil
}

// ask returns what the store says of the tokens that wait, or nil if there is no
// store to ask.
func (s *scan) ask() ([]adminapi.LeakedToken, error) {
	if !s.known || len(s.waiting) == 0 {
		return nil, nil
	}
	var finds []tokenscan.Find
	place := make(map[apikey.Hash]int)
	for _, p := range s.waiting {
		if hash := p.find.Hash(); place[hash] == 0 {
			finds = append(finds, p.find)
			place[hash] = len(finds)
		}
	}
	answer, err := askAbout(s.ctx, s.api, finds, adminapi.ThenLook)
	if err != nil && s.target == (target{}) {
		s.Note("no store says what the tokens are: %v", oneLine(err))
		s.known = false
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	told := make([]adminapi.LeakedToken, 0, len(s.waiting))
	for _, p := range s.waiting {
		told = append(told, answer[place[p.find.Hash()]-1])
	}
	return told, nil
}

// printOne prints a token in a line of its own, as compilers do, which editors can
// follow.
func (s *scan) printOne(t *foundToken) error {
	if s.json {
		return s.printMember(t)
	}
	where := fmt.Sprintf("%s:%d: %s", t.File, t.Line, t.Prefix)
	if t.Line == 0 {
		where = fmt.Sprintf("%s (its name): %s", t.File, t.Prefix)
	}
	switch {
	case t.Key != nil:
		return s.Say("%s %s, %s", where, t.Status, s.whose(t.Key))
	case t.Status != "":
		return s.Say("%s %s", where, t.Status)
	default:
		return s.Say("%s", where)
	}
}
