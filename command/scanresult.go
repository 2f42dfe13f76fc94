package command

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/socialpatra/keygate/command/term"
	"github.com/socialpatra/keygate/internal/english"
)

// printMember prints a token as a member of the JSON, which grows with the scan,
// so that a million tokens need no more memory than one.
func (s *scan) printMember(t *foundToken) error {
	text, err := term.EncodeJSON(t)
	if err != nil {
		return err
	}
	before := `{"found":[`
	if s.begun {
		before = ",\n"
	}
	s.begun = true
	_, err = io.WriteString(s.Out, before+string(text))
	return err
}

// end says how much was read. It returns an error if a token of an active key was
// found, if tokens were found and no store says whose they are, or if something could
// not be read.
func (s *scan) end() error {
	if err := s.sayRead(); err != nil {
		return err
	}
	var wrong []string
	switch {
	case s.live > 0:
		wrong = append(wrong, english.Count(s.live, "token of an active key was found", "tokens of active keys were found")+"; see caddy keygate leaked --help")
	case s.tokens > 0 && !s.known:
		wrong = append(wrong, english.Count(s.tokens, "token was found", "tokens were found"))
	}
	if s.Unreadable > 0 {
		wrong = append(wrong, english.Count(s.Unreadable, "file or folder could not be read", "files or folders could not be read"))
	}
	if len(wrong) == 0 {
		return nil
	}
	return errors.New(strings.Join(wrong, "; "))
}

func (s *scan) sayRead() error {
	if !s.json {
		leftOut := ""
		if s.LeftOut > 0 {
			leftOut = ", without " + english.Count(s.LeftOut, "link or other special file", "links and other special files")
		}
		s.Note("read %s, %s%s: %s", english.Plural(s.Files, "file"), term.Megabytes(s.Bytes), leftOut, english.Plural(s.tokens, "token"))
		return nil
	}
	text, err := term.EncodeJSON(s.scanned)
	if err != nil {
		return err
	}
	before := "],"
	if !s.begun {
		before = `{"found":[],`
	}
	_, err = fmt.Fprintf(s.Out, "%s%s\n", before, text[1:])
	return err
}
