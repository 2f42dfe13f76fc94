package adminapi

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// hashTag names the hash algorithm in the lines of an export. formatOpaque marks
// a token of another system.
const (
	hashTag      = "sha256:"
	formatOpaque = "opaque"
)

// importedKey is a line of an import. Its limits are pointers, as in a creation,
// so that an absent limit differs from zero.
type importedKey struct {
	exportedKey
	Limits *LimitsRequest `json:"limits,omitempty"`
}

// key returns the key that a line describes. It is checked as in a creation,
// except that it may already have expired or be revoked.
func (line *importedKey) key(brand string, now time.Time) (apikey.Key, error) {
	k := apikey.Key{
		ID:             line.ID,
		Workspace:      line.Workspace,
		Name:           line.Name,
		Description:    line.Description,
		Scopes:         line.Scopes,
		AllowedOrigins: line.AllowedOrigins,
		AllowedIPs:     line.AllowedIPs,
		CreatedAt:      line.CreatedAt,
		CreatedBy:      line.CreatedBy,
		Disabled:       line.Disabled,
		RotatedFrom:    line.RotatedFrom,
		ReplacedBy:     line.ReplacedBy,
		Account:        line.Account,
	}
	switch line.TokenFormat {
	case "":
	case formatOpaque:
		k.Opaque = true
	default:
		return k, &apikey.FieldError{Field: "token_format", Problem: apikey.Quote(line.TokenFormat) + " is not a token format", Accepted: `"opaque", or none for Keygate's own`}
	}
	switch {
	case !k.ID.IsZero():
	case k.Opaque:
		k.ID = apikey.NewID()
	default:
		return k, &apikey.FieldError{Field: "id", Problem: "is missing; a token of Keygate's own form is found by it"}
	}
	k.Prefix = apikey.Prefix(brand, k.ID)
	var err error
	if k.Hash, err = parseHash(line.Hash); err != nil {
		return k, err
	}
	if k.CreatedAt.IsZero() {
		k.CreatedAt = now
	}
	for _, t := range []struct{ dst, src *time.Time }{
		{&k.CreatedAt, &k.CreatedAt},
		{&k.ExpiresAt, line.ExpiresAt},
		{&k.RevokedAt, line.RevokedAt},
	} {
		if t.src != nil {
			*t.dst = t.src.UTC().Truncate(time.Second)
		}
	}
	limits := LimitsRequest{}
	if line.Limits != nil {
		limits = *line.Limits
	}
	if k.Limits, err = apikey.CheckLimits(limits.PerMinute, limits.PerDay, limits.Burst); err != nil {
		return k, err
	}
	return k, k.Normalize()
}

func parseHash(s string) (apikey.Hash, error) {
	var hash apikey.Hash
	digits, ok := strings.CutPrefix(s, hashTag)
	if ok && len(digits) == hex.EncodedLen(len(hash)) {
		if _, err := hex.Decode(hash[:], []byte(digits)); err == nil && hash != (apikey.Hash{}) {
			return hash, nil
		}
	}
	// The error does not repeat the value, which may be the token itself.
	return apikey.Hash{}, &apikey.FieldError{Field: "hash", Problem: "is not the hash of a token", Accepted: hashTag + " and 64 hexadecimal digits"}
}

// lineDecoder decodes lines as decodeBody decodes bodies. It reuses its decoder
// while lines are good: a decoder that failed once fails for ever.
type lineDecoder struct {
	line bytes.Reader
	dec  *json.Decoder // nil if it has to be made
}

func (d *lineDecoder) decode(line []byte, v any) error {
	d.line.Reset(line)
	if d.dec == nil {
		d.dec = json.NewDecoder(&d.line)
	}
	err := decodeText(d.dec, line, v)
	if err != nil {
		d.dec = nil
	}
	return err
}

// brokenBodyError says that a body could not be read to its end.
type brokenBodyError struct{ err error }

func (e *brokenBodyError) Error() string { return "the body broke off: " + e.err.Error() }
func (e *brokenBodyError) Unwrap() error { return e.err }

// eachLine calls yield with each line of r, counted from 1, until yield returns
// an error. A line longer than most bytes is skipped, and yield is called with
// tooLong. An error of r is a *brokenBodyError.
func eachLine(r io.Reader, most int, yield func(n int, line []byte, tooLong bool) error) error {
	in := bufio.NewReaderSize(r, most+2) // one byte too many, and the newline
	for n := 1; ; n++ {
		line, err := in.ReadSlice('\n')
		tooLong := len(bytes.TrimSuffix(line, []byte("\n"))) > most
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = in.ReadSlice('\n')
		}
		atEnd := errors.Is(err, io.EOF)
		if err != nil && !atEnd {
			return &brokenBodyError{err}
		}
		if len(line) > 0 {
			if err := yield(n, line, tooLong); err != nil {
				return err
			}
		}
		if atEnd {
			return nil
		}
	}
}
