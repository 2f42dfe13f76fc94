package leaks

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
)

// githubKeys is where GitHub has the keys that it signs its reports with.
const githubKeys = "https://api.github.com/meta/public_keys/secret_scanning"

const (
	keysKept    = time.Hour        // after that they are fetched again
	fetchEvery  = time.Minute      // at most: anybody can name a key that is not known
	fetchWithin = 10 * time.Second // one fetch
	maxKeys     = 64 << 10         // bytes of an answer with keys
)

// checkKeysURL accepts an address that nobody on the way can answer for.
func checkKeysURL(text string) error {
	const accepted = "; accepted: an https:// URL, or http:// of this machine"
	u, err := url.Parse(text)
	if err == nil && u.User != nil {
		return fmt.Errorf("keys_url has a user or password, which would be in logs%s", accepted)
	}
	if err != nil || u.Host == "" || strings.ContainsAny(text, "{}#") {
		return fmt.Errorf("keys_url %q is not an address%s", text, accepted)
	}
	ip := net.ParseIP(u.Hostname())
	if u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip.IsLoopback()) {
		return nil
	}
	return fmt.Errorf("keys_url %q can be answered by others on the way%s", text, accepted)
}

// signingKeys are the public keys of a sender of reports. They are fetched when they
// are needed. If that fails, those of the last time stay good.
type signingKeys struct {
	url    string
	client *http.Client
	now    func() time.Time

	fetching sync.Mutex // held over a fetch

	mu      sync.Mutex
	keys    map[string]*ecdsa.PublicKey
	fetched time.Time // when the keys are from
	tried   time.Time
}

// keyPool has the keys by their URL, over reloads.
var keyPool = caddy.NewUsagePool()

func acquireKeys(address string) (*signingKeys, error) {
	val, _, err := keyPool.LoadOrNew(address, func() (caddy.Destructor, error) { return newSigningKeys(address, time.Now), nil })
	if err != nil {
		return nil, err
	}
	return val.(*signingKeys), nil
}

func newSigningKeys(address string, now func() time.Time) *signingKeys {
	return &signingKeys{url: address, now: now, client: &http.Client{
		Timeout: fetchWithin,
		// The answer is to come from the address that is configured.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Destruct implements [caddy.Destructor].
func (k *signingKeys) Destruct() error {
	k.client.CloseIdleConnections()
	return nil
}

var (
	errNoKeys     = errors.New("the keys of the sender could not be fetched")
	errUnknownKey = errors.New("the sender has no such key")
)

// find returns a key by its identifier: errNoKeys if none is known at all,
// errUnknownKey if the sender has no such key, as far as is known. Keys that are
// known, even if they are old, do not wait for newer ones that another request
// fetches.
func (k *signingKeys) find(ctx context.Context, id string, logger *zap.Logger) (*ecdsa.PublicKey, error) {
	key, due := k.look(id)
	if !due || key != nil && !k.fetching.TryLock() {
		return known(key, k.any())
	}
	if key == nil {
		k.fetching.Lock()
	}
	defer k.fetching.Unlock()
	if key, due = k.look(id); due { // nobody has fetched them meanwhile
		if err := k.fetch(context.WithoutCancel(ctx)); err != nil {
			logger.Error("the keys of a sender of leak reports could not be fetched; those that are known stay good", zap.String("keys_url", k.url), zap.Error(err))
		}
		key, _ = k.look(id)
	}
	return known(key, k.any())
}

func known(key *ecdsa.PublicKey, anyKnown bool) (*ecdsa.PublicKey, error) {
	switch {
	case key != nil:
		return key, nil
	case anyKnown:
		return nil, errUnknownKey
	default:
		return nil, errNoKeys
	}
}

// look returns a key, and whether the keys should and may be fetched.
func (k *signingKeys) look(id string) (key *ecdsa.PublicKey, due bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	key = k.keys[id]
	due = (key == nil || now.Sub(k.fetched) >= keysKept) && (k.tried.IsZero() || now.Sub(k.tried) >= fetchEvery || now.Before(k.tried))
	return key, due
}

func (k *signingKeys) any() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.keys) > 0
}

// fetch replaces the keys.
func (k *signingKeys) fetch(ctx context.Context) error {
	k.mu.Lock()
	k.tried = k.now()
	k.mu.Unlock()
	keys, err := k.ask(ctx)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keys, k.fetched = keys, k.now()
	return nil
}

func (k *signingKeys) ask(ctx context.Context) (map[string]*ecdsa.PublicKey, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := k.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %s", resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxKeys+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxKeys {
		return nil, fmt.Errorf("the answer has more than %d bytes", maxKeys)
	}
	return parseKeys(body)
}

// parseKeys reads the answer of the endpoint. Keys that are none of the right kind
// are left out.
func parseKeys(body []byte) (map[string]*ecdsa.PublicKey, error) {
	var answer struct {
		Keys []struct {
			ID  string `json:"key_identifier"`
			Key string `json:"key"`
		} `json:"public_keys"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("the answer cannot be read: %w", err)
	}
	keys := make(map[string]*ecdsa.PublicKey)
	for _, k := range answer.Keys {
		block, _ := pem.Decode([]byte(k.Key))
		if block == nil || k.ID == "" {
			continue
		}
		parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
		if key, ok := parsed.(*ecdsa.PublicKey); err == nil && ok && key.Curve == elliptic.P256() {
			keys[k.ID] = key
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("the answer has no ECDSA key on P-256")
	}
	return keys, nil
}
