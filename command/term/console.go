// Package term prints for people: notes, questions, tables, progress bars, times
// and sizes.
//
//   - [Console] is where a command reads and writes. It knows whether its streams
//     are terminals, and how wide they are. Results go to Out, and notes and
//     questions to Err.
//   - [Table] fits rows to the terminal: it cuts values, shortens dates, and then
//     leaves out columns, the least important first. Without a terminal, nothing is
//     cut.
//   - [ImportBar] shows progress on one line, and only on a terminal.
//   - [Visible], [VisibleJSON] and [Wrap] format text.
//
// Values may come from anybody who can name a key or send a request. Everything
// here is shown escaped, so that such a value can neither steer the terminal nor
// change the order in which a line reads.
package term

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"
	"time"

	"golang.org/x/term"
)

// Console is what a command reads from and writes to, and the clock that it uses.
type Console struct {
	In       io.Reader
	Out, Err io.Writer
	Answers  bool // In is a terminal, so that somebody can answer questions
	Terminal bool // Out is a terminal
	Width    int  // columns of the terminal at Out; 0: Out is no terminal
	Watched  int  // columns of the terminal at Err; 0: Err is no terminal
	Colour   bool
	Now      func() time.Time
	User     string // the login name of who types; "" if it is not known
}

func System() *Console {
	c := &Console{
		In:      os.Stdin,
		Out:     os.Stdout,
		Err:     os.Stderr,
		Answers: term.IsTerminal(int(os.Stdin.Fd())),
		Now:     time.Now,
		User:    loginName(),
	}
	if fd := int(os.Stdout.Fd()); term.IsTerminal(fd) {
		c.Terminal = true
		c.Width, _, _ = term.GetSize(fd) // 0 if the terminal does not know
		c.Colour = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	}
	if fd := int(os.Stderr.Fd()); term.IsTerminal(fd) && os.Getenv("TERM") != "dumb" {
		c.Watched, _, _ = term.GetSize(fd)
	}
	return c
}

// loginName returns who has logged in: with sudo, the one who typed it.
func loginName() string {
	if name := os.Getenv("SUDO_USER"); name != "" && os.Geteuid() == 0 {
		return name
	}
	who, err := user.Current()
	if err != nil {
		return ""
	}
	return who.Username
}

// Note prints a line that is not part of the result, to Err.
func (c *Console) Note(format string, args ...any) {
	fmt.Fprintln(c.Err, Visible(fmt.Sprintf(format, args...)))
}

// Say prints a line of the result, to Out.
func (c *Console) Say(format string, args ...any) error {
	_, err := fmt.Fprintln(c.Out, Visible(fmt.Sprintf(format, args...)))
	return err
}

// Confirm asks a question. Every answer except yes means no.
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

// PrintJSON prints v as JSON, with a line break.
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
