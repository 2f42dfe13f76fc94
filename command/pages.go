package command

import (
	"io"
	"net/url"
	"strconv"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/command/term"
	"github.com/socialpatra/keygate/keystore"
)

// eachPage fetches page after page until it has limit entries, or all if limit is
// nil. So a million entries need no more memory than a thousand. fetch prints the
// page that query asks for and returns the cursor of the next one. eachPage
// returns the cursor at which it stopped, "" at the end of the list.
func eachPage(query url.Values, limit *int64, fetch func(url.Values) (next string, err error)) (next string, err error) {
	if limit != nil && *limit < 1 {
		return "", &apikey.FieldError{Field: "--limit", Problem: strconv.FormatInt(*limit, 10) + " is out of range", Accepted: "1 or more"}
	}
	for {
		size := int64(keystore.MaxPage)
		if limit != nil {
			size = min(size, *limit)
			*limit -= size
		}
		query.Set("limit", strconv.FormatInt(size, 10))
		next, err := fetch(query)
		if err != nil || next == "" || limit != nil && *limit <= 0 {
			return next, err
		}
		query.Set("cursor", next)
	}
}

// pagePrinter prints a list that arrives in pages. next is the cursor of the
// rest, "" at the end of the list.
type pagePrinter[T any] interface {
	page([]T) error
	end(next string) error
}

// pageJSON prints pages in the form of one answer of the admin API, however many
// answers there were.
type pageJSON[T any] struct {
	out   io.Writer
	field string
	begun bool
}

func (p *pageJSON[T]) head() string { return `{"` + p.field + `":[` }

func (p *pageJSON[T]) page(entries []T) error {
	var text []byte
	for i := range entries {
		encoded, err := term.EncodeJSON(&entries[i])
		if err != nil {
			return err
		}
		if p.begun {
			text = append(text, ",\n"...)
		} else {
			text = append(text, p.head()...)
		}
		p.begun = true
		text = append(text, encoded...)
	}
	_, err := p.out.Write(text)
	return err
}

func (p *pageJSON[T]) end(next string) error {
	text := `],"next_cursor":` + strconv.Quote(next) + "}\n"
	if !p.begun {
		text = p.head() + text
	}
	_, err := io.WriteString(p.out, text)
	return err
}

// pageTable prints pages as rows of a table.
type pageTable[T any] struct {
	*term.Console
	table *term.Table
	rows  func(*T) [][]term.Cell
	what  string // the name of the entries, in the plural
	shown int
}

func (p *pageTable[T]) page(entries []T) error {
	if len(entries) == 0 {
		return nil
	}
	var rows [][]term.Cell
	for i := range entries {
		rows = append(rows, p.rows(&entries[i])...)
	}
	p.shown += len(entries)
	return p.table.Write(p.Out, rows)
}

func (p *pageTable[T]) end(next string) error {
	switch {
	case p.shown == 0:
		p.Note("no %s", p.what)
	case next != "":
		p.Note("more %s follow; raise --limit to see them", p.what)
	}
	return nil
}
