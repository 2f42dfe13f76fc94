package caddymodule

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

// console is what a command reads from, writes to and tells the time by.
type console struct {
	in       io.Reader
	out, err io.Writer
	answers  bool // in is a terminal: somebody can answer a question
	terminal bool // out is one
	width    int  // columns of the terminal that out is; 0: out is none
	watched  int  // columns of the terminal that err is; 0: err is none
	colour   bool
	now      func() time.Time
}

func systemConsole() *console {
	c := &console{
		in:      os.Stdin,
		out:     os.Stdout,
		err:     os.Stderr,
		answers: term.IsTerminal(int(os.Stdin.Fd())),
		now:     time.Now,
	}
	if fd := int(os.Stdout.Fd()); term.IsTerminal(fd) {
		c.terminal = true
		c.width, _, _ = term.GetSize(fd) // 0 where the terminal does not know
		c.colour = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	}
	if fd := int(os.Stderr.Fd()); term.IsTerminal(fd) && os.Getenv("TERM") != "dumb" {
		c.watched, _, _ = term.GetSize(fd)
	}
	return c
}

// note tells the user something that is no result.
func (c *console) note(format string, args ...any) {
	fmt.Fprintln(c.err, visible(fmt.Sprintf(format, args...)))
}

// say writes a line of the result.
func (c *console) say(format string, args ...any) error {
	_, err := fmt.Fprintln(c.out, visible(fmt.Sprintf(format, args...)))
	return err
}

// confirm asks a question; anything but yes means no.
func (c *console) confirm(format string, args ...any) (bool, error) {
	fmt.Fprint(c.err, visible(fmt.Sprintf(format, args...)), " [y/N] ")
	answer, err := bufio.NewReader(c.in).ReadString('\n')
	if err != nil && err != io.EOF {
		return false, fmt.Errorf("reading the answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return true, nil
	}
	return false, nil
}

// printJSON writes v and a line break.
func (c *console) printJSON(v any) error {
	text, err := encodeJSON(v)
	if err != nil {
		return err
	}
	_, err = c.out.Write(append(text, '\n'))
	return err
}

// encodeJSON encodes v on one line that is safe to show on a terminal.
func encodeJSON(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("writing JSON: %w", err)
	}
	return visibleJSON(bytes.TrimRight(buf.Bytes(), "\n")), nil
}
