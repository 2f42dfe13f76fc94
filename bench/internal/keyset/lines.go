package keyset

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"io"

	"github.com/socialpatra/keygate/apikey"
)

// line is a line of an export, which an import reads.
type line struct {
	apikey.Record
	Disabled bool   `json:"disabled"`
	Hash     string `json:"hash"`
}

// Write writes a line for each key to keys, as caddy keygate export does, and
// its token to tokens, unless that is nil.
func (s Set) Write(keys, tokens io.Writer) error {
	out := bufio.NewWriterSize(keys, 1<<16)
	if tokens == nil {
		tokens = io.Discard
	}
	secret := bufio.NewWriter(tokens)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	for i := range s.N {
		k, err := s.Key(i)
		if err != nil {
			return err
		}
		if err := enc.Encode(line{k.Record(epoch, k.RevokedAt), k.Disabled, "sha256:" + hex.EncodeToString(k.Hash[:])}); err != nil {
			return err
		}
		if _, err := secret.WriteString(s.Token(i) + "\n"); err != nil {
			return err
		}
	}
	if err := secret.Flush(); err != nil {
		return err
	}
	return out.Flush()
}
