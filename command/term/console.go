// Package term prints for people: notes and questions, tables that fit the
// terminal, progress bars, times and sizes. What comes from elsewhere is shown
// escaped, so that it cannot steer the terminal.
package term

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// Console is what a command reads from, writes to and tells the time by.
type Console struct {
	In       io.Reader
	Out, Err io.Writer
	Answers  bool // in is a terminal: somebody can answer a question
	Terminal bool // out is one
	Width    int  // columns of the terminal that out is; 0: out is none
	Watched  int  // columns of the terminal that err is; 0: err is none
	Colour   bool
	Now      func() time.Time
}

func System() *Console {
	c := &Console{
		In:      os.Stdin,
		Out:     os.Stdout,
		Err:     os.Stderr,
		Answers: term.IsTerminal(int(os.Stdin.Fd())),
		Now:     time.Now,
	}
	if fd := int(os.Stdout.Fd()); term.IsTerminal(fd) {
		c.Terminal = true
		c.Width, _, _ = term.GetSize(fd) // 0 where the terminal does not know
		c.Colour = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	}
	if fd := int(os.Stderr.Fd()); term.IsTerminal(fd) && os.Getenv("TERM") != "dumb" {
		c.Watched, _, _ = term.GetSize(fd)
	}
	return c
}

// Note tells the user something that is no result.
func (c *Console) Note(format string, args ...any) {
	fmt.Fprintln(c.Err, Visible(fmt.Sprintf(format, args...)))
}

// Say writes a line of the result.
func (c *Console) Say(format string, args ...any) error {
	_, err := fmt.Fprintln(c.Out, Visible(fmt.Sprintf(format, args...)))
	return err
}

// Confirm asks a question; anything but yes means no.
func (c *Console) Confirm(format string, args ...any) (bool, error) {
	fmt.Fprint(c.Err, Visible(fmt.Sprintf(format, args...)), " [y/N] ")
	answer, err := bufio.NewReader(c.In).ReadString('\n')
	if err != nil && err != io.EOF {
		return false, fmt.Errorf("reading the answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return true, nil
	}
	return false, nil
}

// PrintJSON writes v and a line break.
func (c *Console) PrintJSON(v any) error {
	text, err := EncodeJSON(v)
	if err != nil {
		return err
	}
	_, err = c.Out.Write(append(text, '\n'))
	return err
}

// EncodeJSON encodes v on one line that is safe to show on a terminal.
func EncodeJSON(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("writing JSON: %w", err)
	}
	return VisibleJSON(bytes.TrimRight(buf.Bytes(), "\n")), nil
}
