package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"
)

// Secret is what messages are signed with. It is never printed.
type Secret struct{ key []byte }

// String keeps a secret out of logs.
func (Secret) String() string { return "whsec_(hidden)" }

// GoString does the same for %#v.
func (s Secret) GoString() string { return s.String() }

// Equal reports whether two secrets are one.
func (s Secret) Equal(o Secret) bool { return hmac.Equal(s.key, o.key) }

const (
	secretPrefix = "whsec_"
	minSecret    = 24 // bytes
	maxSecret    = 64
)

// ParseSecret reads a secret. The error has nothing of it.
func ParseSecret(text string) (Secret, error) {
	encoded, ok := strings.CutPrefix(strings.TrimSpace(text), secretPrefix)
	key, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if !ok || err != nil || len(key) < minSecret || len(key) > maxSecret {
		return Secret{}, errors.New(`it does not stand for whsec_ and the base64 of 24 to 64 bytes; make one with: echo "whsec_$(openssl rand -base64 32)"`)
	}
	return Secret{key}, nil
}

// sign returns the value of webhook-signature: one signature for each secret.
func sign(secrets []Secret, id string, at time.Time, body []byte) string {
	var all []string
	for _, s := range secrets {
		mac := hmac.New(sha256.New, s.key)
		mac.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
		mac.Write(body)
		all = append(all, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return strings.Join(all, " ")
}
