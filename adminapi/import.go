package adminapi

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// Bounds of an import: the sizes of its body and of one line, in bytes, the time
// that the body may take, and how many bad lines are reported.
const (
	maxImport       = 1 << 30
	maxImportLine   = 1 << 20
	importTimeout   = 15 * time.Minute
	MaxImportErrors = 1000
)

// importBlock is how many keys one block of memory holds.
const importBlock = 1024

// importRefusal is the answer if a bad line kept all keys out.
type importRefusal struct {
	Error string `json:"error"`
	ImportResponse
}

// importer collects the keys and errors of an import.
type importer struct {
	call         *call
	now          time.Time
	anyScope     bool
	routeScopes  []string
	keys         [][]apikey.Key // in blocks, because growing a single slice copies gigabytes
	decoder      lineDecoder
	lineOfID     map[apikey.ID]int
	lineOfOpaque map[apikey.Hash]int
	refused      []ImportError
	bad          int
	firstBad     error
}

// load stores the keys of an export. A bad line keeps all keys out, unless
// keep_going is true.
func (a *call) importKeys(r *http.Request) (any, int, error) {
	var keepGoing, anyScope bool
	err := eachParam(r, params{
		"keep_going":          yesNo("keep_going", &keepGoing),
		"allow_unknown_scope": yesNo("allow_unknown_scope", &anyScope),
	})
	if err != nil {
		return nil, 0, err
	}
	switch mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); {
	case err != nil, mediaType != "application/jsonl" && mediaType != "application/json":
		return nil, 0, &bodyError{http.StatusUnsupportedMediaType, "the body must be JSON lines; send it with Content-Type: application/jsonl"}
	}
	// Changes that an earlier import left unfinished must be finished or undone
	// first.
	if m, ok := a.store.(keystore.Mender); ok {
		if err := m.AwaitSettled(); err != nil {
			return nil, 0, err
		}
	}
	im := &importer{
		call:         a,
		now:          a.now(),
		anyScope:     anyScope,
		routeScopes:  routeScopes(a.mappings),
		lineOfID:     make(map[apikey.ID]int),
		lineOfOpaque: make(map[apikey.Hash]int),
		refused:      []ImportError{},
	}
	if err := eachLine(http.MaxBytesReader(nil, r.Body, maxImport), maxImportLine, im.line); err != nil {
		return nil, 0, describeImportError(err)
	}
	if im.bad > 0 && !keepGoing {
		return im.refusal(), statusOf(im.firstBad), nil
	}
	imported, err := im.store()
	if err != nil {
		return nil, 0, err
	}
	return ImportResponse{Imported: imported, Errors: im.refused}, http.StatusOK, nil
}

// refusal answers that a bad line kept all keys out.
func (im *importer) refusal() importRefusal {
	text := fmt.Sprintf("line %d: %s; nothing was imported", im.refused[0].Line, im.refused[0].Error)
	if im.bad > 1 {
		text += fmt.Sprintf(" (%d lines are bad)", im.bad)
	}
	return importRefusal{text, ImportResponse{Errors: im.refused}}
}

// line handles one line. tooLong means that the line was not read.
func (im *importer) line(n int, text []byte, tooLong bool) error {
	err := error(&bodyError{http.StatusRequestEntityTooLarge, fmt.Sprintf("is longer than %d bytes", maxImportLine)})
	if !tooLong {
		if len(bytes.TrimSpace(text)) == 0 {
			return nil
		}
		err = im.add(n, text)
	}
	if err == nil {
		return nil
	}
	if status := statusOf(err); status >= http.StatusInternalServerError {
		return err // an error of the store, not of the line
	}
	im.refuse(n, err)
	return nil
}

func (im *importer) refuse(n int, err error) {
	im.bad++
	if im.firstBad == nil {
		im.firstBad = err
	}
	if len(im.refused) < MaxImportErrors {
		im.refused = append(im.refused, ImportError{Line: n, Error: err.Error()})
	}
}

func (im *importer) add(n int, text []byte) error {
	var line importedKey
	if err := im.decoder.decode(text, &line); err != nil {
		return err
	}
	k, err := line.key(im.call.brand, im.now)
	if err != nil {
		return err
	}
	if !im.anyScope {
		if err := apikey.CheckKnown(k.Scopes, im.routeScopes); err != nil {
			return err
		}
	}
	if err := im.admitID(n, k.ID); err != nil {
		return err
	}
	if k.Opaque {
		if err := im.admitOpaque(n, k.Hash); err != nil {
			return err
		}
		im.lineOfOpaque[k.Hash] = n
	}
	im.lineOfID[k.ID] = n
	last := len(im.keys) - 1
	if last < 0 || len(im.keys[last]) == importBlock {
		im.keys = append(im.keys, make([]apikey.Key, 0, importBlock))
		last++
	}
	im.keys[last] = append(im.keys[last], k)
	return nil
}

func (im *importer) admitID(n int, id apikey.ID) error {
	if first, ok := im.lineOfID[id]; ok {
		return &apikey.FieldError{Field: "id", Problem: fmt.Sprintf("%s is in line %d already", id, first)}
	}
	switch _, err := im.call.store.Get(id); { // Lookup does not know damaged keys
	case err == nil, errors.Is(err, keystore.ErrDamaged):
		return fmt.Errorf("%s: %w", id, keystore.ErrExists)
	case errors.Is(err, keystore.ErrNotFound):
		return nil
	default:
		return fmt.Errorf("line %d: %w", n, err)
	}
}

func (im *importer) admitOpaque(n int, hash apikey.Hash) error {
	if first, ok := im.lineOfOpaque[hash]; ok {
		return &apikey.FieldError{Field: "hash", Problem: fmt.Sprintf("is in line %d already", first)}
	}
	switch other, _, found, err := im.call.store.LookupOpaque(hash); {
	case err != nil:
		return fmt.Errorf("line %d: %w", n, err)
	case found:
		return &apikey.StateError{Reason: fmt.Sprintf("hash: the key %s has the same token", other)}
	default:
		return nil
	}
}

func describeImportError(err error) error {
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return &bodyError{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", maxImport)}
	}
	if broken := (*brokenBodyError)(nil); errors.As(err, &broken) {
		return &bodyError{http.StatusBadRequest, broken.Error() + "; nothing was imported"}
	}
	return err
}

// yesNo reads a parameter whose value is true or false.
func yesNo(field string, dst *bool) func(string) error {
	return func(value string) (err error) {
		if *dst, err = strconv.ParseBool(value); err != nil {
			err = &apikey.FieldError{Field: field, Problem: apikey.Quote(value) + " is not accepted", Accepted: "true or false"}
		}
		return err
	}
}
