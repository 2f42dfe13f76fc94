package adminapi

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// stream is an answer that is written while it is made, because it may be larger
// than memory.
type stream struct {
	contentType string
	filename    string
	write       func(io.Writer) error
}

// BrokenStreamError says that an answer failed after part of it was sent. The
// part must not look like the whole.
type BrokenStreamError struct{ err error }

func (e *BrokenStreamError) Error() string { return "the answer broke off: " + e.err.Error() }
func (e *BrokenStreamError) Unwrap() error { return e.err }

// serve sends nothing before the first byte of the stream. Until then, an error
// can still become the answer.
func (s stream) serve(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", s.contentType)
	w.Header().Set("Content-Disposition", `attachment; filename="`+s.filename+`"`)
	out := &startedWriter{w: newPacedWriter(w, stalledFor, slowest)}
	err := s.write(out)
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // the connection may serve more requests
	switch {
	case err == nil:
		return nil
	case out.started:
		return &BrokenStreamError{err}
	default:
		w.Header().Del("Content-Disposition")
		return err
	}
}

type startedWriter struct {
	w       io.Writer
	started bool
}

func (s *startedWriter) Write(p []byte) (int, error) {
	s.started = true
	return s.w.Write(p)
}

// backup answers with a consistent copy of the whole store.
func (a *call) backup(*http.Request) (any, int, error) {
	a.flush()
	return stream{"application/octet-stream", a.filename("db"), a.store.Backup}, http.StatusOK, nil
}

func (a *call) filename(extension string) string {
	return "keygate-" + a.now().UTC().Format("20060102T150405Z") + "." + extension
}

// export answers with a line for every key, in the order of their IDs.
func (a *call) export(*http.Request) (any, int, error) {
	a.flush()
	if m, ok := a.store.(keystore.Mender); ok {
		if err := m.Complete(); err != nil {
			return nil, 0, fmt.Errorf("exporting all keys: %w", err)
		}
	}
	write := func(w io.Writer) error {
		out := bufio.NewWriter(w)
		enc := json.NewEncoder(out)
		enc.SetEscapeHTML(false)
		err := a.eachKey(func(k *apikey.Key, lastUsed time.Time) error {
			line := exportedKey{
				Record: k.Record(a.now(), lastUsed), Disabled: k.Disabled, Hash: hashTag + hex.EncodeToString(k.Hash[:]), Account: k.Account,
			}
			if k.Opaque {
				line.TokenFormat = formatOpaque
			}
			return enc.Encode(line)
		})
		if err != nil {
			return err
		}
		return out.Flush()
	}
	return stream{"application/jsonl", a.filename("jsonl"), write}, http.StatusOK, nil
}

// eachKey reads the keys page by page, so that writers need not wait.
func (a *call) eachKey(yield func(k *apikey.Key, lastUsed time.Time) error) error {
	q := keystore.Query{Limit: keystore.MaxPage}
	for {
		page, err := a.store.List(q)
		if err != nil {
			return err
		}
		for i := range page.Keys {
			if err := yield(&page.Keys[i], page.LastUsed[i]); err != nil {
				return err
			}
		}
		if page.Next.IsZero() {
			return nil
		}
		q.After = page.Next
	}
}

// check reads every record of the store.
func (a *call) check(*http.Request) (any, int, error) {
	resp := CheckResponse{Damaged: []DamagedRecord{}}
	var err error
	resp.Keys, err = a.store.Check(func(name string, problem error) {
		resp.Damaged = append(resp.Damaged, DamagedRecord{Key: name, Problem: problem.Error()})
	})
	if err != nil {
		return nil, 0, fmt.Errorf("checking the key store: %w", err)
	}
	return resp, http.StatusOK, nil
}

// mend makes the parts of the store agree where it can, and then checks the
// store.
func (a *call) mend(r *http.Request) (any, int, error) {
	mended := 0
	if m, ok := a.store.(keystore.Mender); ok {
		var err error
		if mended, err = m.Mend(); err != nil {
			return nil, 0, fmt.Errorf("mending the key store: %w", err)
		}
	}
	resp, status, err := a.check(r)
	if err != nil {
		return nil, 0, err
	}
	return MendResponse{resp.(CheckResponse), mended}, status, nil
}
