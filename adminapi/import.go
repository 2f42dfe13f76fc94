package adminapi

import (
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
	keys         keptKeys
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
	if err := im.readLines(http.MaxBytesReader(nil, r.Body, maxImport)); err != nil {
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

func (im *importer) refuse(n int, err error) {
	im.bad++
	if im.firstBad == nil {
		im.firstBad = err
	}
	if len(im.refused) < MaxImportErrors {
		im.refused = append(im.refused, ImportError{Line: n, Error: err.Error()})
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
