package adminapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"sync"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// The lines of an import are read on all cores, so many of them at a time, or so
// many bytes: what is in memory between the body and the kept keys.
const (
	linesAtOnce = 1024
	bytesAtOnce = 1 << 20
)

// lineBlock holds lines that are parsed together.
type lineBlock struct {
	lines   []bodyLine
	text    []byte // of the lines
	workers sync.WaitGroup
}

// bodyLine is a line, and what became of it.
type bodyLine struct {
	n          int
	start, end int // in the text of its block
	tooLong    bool

	blank  bool
	id     apikey.ID
	record []byte
	opaque bool
	hash   apikey.Hash
	err    error // of the line alone
	taken  error // what the store says to its ID
}

// readLines reads all lines of a body, and admits them in their order. While a block
// is parsed, the next one is read.
func (im *importer) readLines(body io.Reader) error {
	decoders := make([]lineDecoder, runtime.GOMAXPROCS(0))
	block, parsed := new(lineBlock), new(lineBlock)
	defer func() { parsed.workers.Wait() }()
	flush := func() error {
		if err := im.admitAll(parsed); err != nil {
			return err
		}
		block, parsed = parsed, block
		im.parse(parsed, decoders)
		return nil
	}
	err := eachLine(body, maxImportLine, func(n int, text []byte, tooLong bool) error {
		start := len(block.text)
		if !tooLong {
			block.text = append(block.text, text...)
		}
		block.lines = append(block.lines, bodyLine{n: n, start: start, end: len(block.text), tooLong: tooLong})
		if len(block.lines) < linesAtOnce && len(block.text) < bytesAtOnce {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	if err := flush(); err != nil {
		return err
	}
	return im.admitAll(parsed)
}

// parse begins to parse the lines of a block on all cores, each with a decoder of its
// own.
func (im *importer) parse(block *lineBlock, decoders []lineDecoder) {
	for w := range decoders {
		block.workers.Go(func() {
			for i := len(block.lines) * w / len(decoders); i < len(block.lines)*(w+1)/len(decoders); i++ {
				line := &block.lines[i]
				im.parseLine(line, block.text[line.start:line.end], &decoders[w])
			}
		})
	}
}

// admitAll admits the lines of a block once they are parsed, and empties it.
func (im *importer) admitAll(block *lineBlock) error {
	block.workers.Wait()
	for i := range block.lines {
		if err := im.admit(&block.lines[i]); err != nil {
			return err
		}
	}
	block.lines, block.text = block.lines[:0], block.text[:0]
	return nil
}

func (im *importer) parseLine(line *bodyLine, text []byte, decoder *lineDecoder) {
	switch {
	case line.tooLong:
		line.err = &bodyError{http.StatusRequestEntityTooLarge, fmt.Sprintf("is longer than %d bytes", maxImportLine)}
		return
	case len(bytes.TrimSpace(text)) == 0:
		line.blank = true
		return
	}
	var k apikey.Key
	if k, line.err = im.readKey(text, decoder); line.err != nil {
		return
	}
	line.id, line.record, line.opaque, line.hash = k.ID, keystore.EncodeKey(&k), k.Opaque, k.Hash
	// Lookup does not know damaged keys.
	if _, line.taken = im.call.store.Get(k.ID); errors.Is(line.taken, keystore.ErrNotFound) {
		line.taken = nil
	} else if line.taken == nil || errors.Is(line.taken, keystore.ErrDamaged) {
		line.taken = fmt.Errorf("%s: %w", k.ID, keystore.ErrExists)
	} else {
		line.taken = fmt.Errorf("line %d: %w", line.n, line.taken)
	}
}

func (im *importer) readKey(text []byte, decoder *lineDecoder) (apikey.Key, error) {
	var line importedKey
	if err := decoder.decode(text, &line); err != nil {
		return apikey.Key{}, err
	}
	k, err := line.key(im.call.brand, im.now)
	if err != nil || im.anyScope {
		return k, err
	}
	return k, apikey.CheckKnown(k.Scopes, im.routeScopes)
}

// admit keeps the key of a line, or counts the line as bad. It returns an error that
// is not the line's, but the store's.
func (im *importer) admit(line *bodyLine) error {
	if line.blank {
		return nil
	}
	err := im.check(line)
	if err == nil {
		im.keep(line)
		return nil
	}
	if status := statusOf(err); status >= http.StatusInternalServerError {
		return err
	}
	im.refuse(line.n, err)
	return nil
}

func (im *importer) check(line *bodyLine) error {
	if line.err != nil {
		return line.err
	}
	if first, ok := im.lineOfID[line.id]; ok {
		return &apikey.FieldError{Field: "id", Problem: fmt.Sprintf("%s is in line %d already", line.id, first)}
	}
	if line.taken != nil || !line.opaque {
		return line.taken
	}
	return im.admitOpaque(line.n, line.hash)
}

func (im *importer) keep(line *bodyLine) {
	im.lineOfID[line.id] = line.n
	if line.opaque {
		im.lineOfOpaque[line.hash] = line.n
	}
	im.keys.add(line.id, line.record)
}
