package command

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/socialpatra/keygate/internal/english"
	"github.com/socialpatra/keygate/keystore"
)

// restoreResult is what restore --json prints.
type restoreResult struct {
	File string `json:"file"`
	Keys int    `json:"keys"`
	Kept string `json:"kept"` // where the previous store was moved; "": there was none
}

func (c *cli) restoreCommand() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "restore <backup> --db <file>",
		Short: "Puts a backup in the place of a store that nobody serves",
		Long: `Verifies a backup, every record of it, and puts it in the place of the store that
--db names. Stop the Caddy that serves the store first. The store that was there
is kept beside it, as <file>.before-restore-<UTC time>.

Whatever changed since the backup was made is lost: keys that were revoked,
disabled or deleted since then work again. They are told on stderr, and so is
how old the backup is. Then it asks; where nobody can answer, --yes is needed.

With --json the result is {"file":"…","keys":0,"kept":"…"}.`,
		Example: `  $ caddy keygate restore keys-2026-11-23.db --db ./data/keygate.db
  $ caddy keygate restore keys.db.bak --db ./data/keygate.db --yes`,
		Args: oneFile("the backup to restore"),
		RunE: func(_ *cobra.Command, args []string) error {
			return oneLine(c.restore(args[0], yes))
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "Do not ask")
	return cmd
}

func (c *cli) restore(backup string, yes bool) error {
	if err := c.offlineOnly("restore"); err != nil {
		return err
	}
	switch path := c.target.db; {
	case !yes && !c.Answers:
		return errors.New("a restore loses whatever changed since the backup; say --yes to do it")
	case sameFile(backup, path):
		return fmt.Errorf("%s is the store itself; name a backup of it", backup)
	}
	keys, err := keystore.VerifyFile(backup)
	if err != nil {
		return fmt.Errorf("the backup cannot be restored: %w", err)
	}
	old, err := c.openReplaced(c.target.db)
	if err != nil {
		return err
	}
	defer old.close()
	result, err := c.replace(backup, keys, old, yes)
	if err != nil {
		return err
	}
	if c.json {
		return c.PrintJSON(result)
	}
	if result.Kept == "" {
		return c.Say("Restored %s to %s.", english.Plural(keys, "key"), result.File)
	}
	return c.Say("Restored %s to %s. The store that was there is %s.", english.Plural(keys, "key"), result.File, result.Kept)
}

// offlineOnly refuses flags that would make the command talk to a running Caddy.
func (c *cli) offlineOnly(command string) error {
	switch {
	case c.target.db == "":
		return fmt.Errorf("%s works on a store that nobody serves; stop its Caddy and name the store with --db FILE", command)
	case c.target.address != "" || c.target.config != "":
		return fmt.Errorf("--db excludes --address and --config: %s works on a store that nobody serves", command)
	}
	return nil
}

func sameFile(one, other string) bool {
	first, err := os.Stat(one)
	if err != nil {
		return false
	}
	second, err := os.Stat(other)
	return err == nil && os.SameFile(first, second)
}

// replaced is the store that a restore replaces. While it is open, its lock keeps
// other processes away.
type replaced struct {
	path   string
	exists bool
	info   fs.FileInfo    // if it exists
	store  *keystore.Bolt // nil if it does not exist, or cannot be read
}

func (r *replaced) close() {
	if r.store != nil {
		_ = r.store.Close() // it was only read
	}
}

// openReplaced opens the store at path. It accepts a store that is too damaged to
// open, because that is what a restore is for. It refuses one that another
// process holds.
func (c *cli) openReplaced(path string) (*replaced, error) {
	r := &replaced{path: path}
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file; give the path of the store itself", path)
	}
	r.exists, r.info = true, info
	r.store, err = keystore.OpenBolt(path)
	switch {
	case errors.Is(err, keystore.ErrInUse), errors.Is(err, fs.ErrPermission):
		return nil, err
	case err != nil && info.Mode().Perm()&0o022 != 0 && runtime.GOOS != "windows":
		return nil, err // refused for its mode, before its lock was tried
	case err != nil:
		r.store = nil
		c.Note("warning: what changed since the backup cannot be told: %v", err)
	}
	return r, nil
}

// replace copies the backup next to the store and verifies the copy. Unless the
// user declines, it then gives the copy the store's name. If there was a store,
// at every moment one complete store has that name.
func (c *cli) replace(backup string, keys int, old *replaced, yes bool) (restoreResult, error) {
	result := restoreResult{File: old.path, Keys: keys}
	folder := filepath.Dir(old.path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return result, err
	}
	temp, err := os.CreateTemp(folder, "."+filepath.Base(old.path)+".restore-*") // mode 0600
	if err != nil {
		return result, err
	}
	defer os.Remove(temp.Name())
	if err := fillFile(temp, copyOf(backup)); err != nil {
		return result, err
	}
	if copied, err := keystore.VerifyFile(temp.Name()); err != nil {
		return result, fmt.Errorf("the copy of the backup does not verify: %w", err)
	} else if copied != keys {
		return result, fmt.Errorf("%s changed while it was read; name a backup that nobody writes to", backup)
	}
	if err := c.warnOfLoss(temp.Name(), old); err != nil {
		return result, err
	}
	if !yes {
		sure, err := c.Confirm("Put the backup in the place of %s?", old.path)
		if err != nil {
			return result, err
		}
		if !sure {
			return result, errors.New("nothing was restored")
		}
	}
	if err := keystore.WatchAnew(temp.Name()); err != nil {
		return result, err
	}
	if old.exists {
		result.Kept = old.path + ".before-restore-" + c.Now().UTC().Format("20060102T150405Z")
		if err := keepAs(os.Link, old, result.Kept); err != nil {
			return result, err
		}
	}
	if old.exists {
		if err := keystore.KeepOwner(temp.Name(), old.info); err != nil {
			return result, err
		}
	}
	if err := os.Rename(temp.Name(), old.path); err != nil {
		return result, err
	}
	return result, syncFolderOf(old.path)
}

func copyOf(path string) func(io.Writer) error {
	return func(w io.Writer) error {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(w, f)
		return err
	}
}

// keepAs keeps a store under a second name: with a link, or as a copy if that fails, as
// it does on file systems without links. The store has its own name throughout.
func keepAs(link func(path, kept string) error, old *replaced, kept string) error {
	if err := absent(kept); err != nil {
		return err
	}
	if link(old.path, kept) == nil {
		return nil
	}
	if err := writeNew(kept, copyOf(old.path)); err != nil {
		return err
	}
	return keystore.KeepOwner(kept, old.info)
}
