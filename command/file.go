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
)

// stdinOut stands for stdin or stdout in place of a file.
const stdinOut = "-"

// oneFile accepts exactly one file argument; what describes it.
func oneFile(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) != 1:
			return usageError(cmd, "%s takes %s, but was given %d", cmd.Name(), what, len(args))
		case args[0] == "":
			return usageError(cmd, "%s takes %s, but the name is empty", cmd.Name(), what)
		}
		return nil
	}
}

// writeNew writes a file of mode 0600. The file gets its name only when it is
// complete and on disk. It replaces no file, unless one is made meanwhile on a file
// system without hard links.
func writeNew(path string, fill func(io.Writer) error) error {
	if err := absent(path); err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".partial-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	if err := fillFile(temp, fill); err != nil {
		return err
	}
	// Unlike a rename, a link does not replace a file that was made in the
	// meantime.
	switch err := os.Link(temp.Name(), path); {
	case errors.Is(err, fs.ErrExist):
		return exists(path)
	case err != nil: // the file system has no links
		if err := os.Rename(temp.Name(), path); err != nil {
			return err
		}
	}
	return syncFolderOf(path)
}

func absent(path string) error {
	_, err := os.Lstat(path)
	if err == nil {
		return exists(path)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func exists(path string) error {
	return fmt.Errorf("%s exists already; name another file, or move that one away", path)
}

// fillFile writes a file, syncs it to disk and closes it.
func fillFile(f *os.File, fill func(io.Writer) error) error {
	err := fill(f)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

// syncFolderOf syncs the name of a file to disk.
func syncFolderOf(path string) error {
	if runtime.GOOS == "windows" {
		return nil // Windows cannot sync folders
	}
	f, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
