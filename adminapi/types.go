package adminapi

import (
	"encoding/json"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// The bodies of the admin API, shared by the server and the command.

// KeyRequest is the body of a creation or a change. What is absent stays as it
// is, or gets its default in a creation.
type KeyRequest struct {
	Workspace   *string   `json:"workspace,omitempty"` // required in a creation, refused in a change
	Name        *string   `json:"name,omitempty"`
	Description *string   `json:"description,omitempty"`
	Scopes      *[]string `json:"scopes,omitempty"`

	ExpiresInDays *int64          `json:"expires_in_days,omitempty"` // 1–3650
	ExpiresAt     json.RawMessage `json:"expires_at,omitempty"`      // RFC 3339 in the future, or null for never

	Limits         *LimitsRequest `json:"limits,omitempty"`
	AllowedOrigins *[]string      `json:"allowed_origins,omitempty"`
	AllowedIPs     *[]string      `json:"allowed_ips,omitempty"`

	AllowUnknownScope bool `json:"allow_unknown_scope,omitempty"`
}

type LimitsRequest struct {
	PerMinute *int64 `json:"per_minute,omitempty"`
	PerDay    *int64 `json:"per_day,omitempty"`
	Burst     *int64 `json:"burst,omitempty"`
}

// TokenResponse is the answer to a creation or a rotation: the only time that
// the token is seen.
type TokenResponse struct {
	Key   apikey.Record `json:"key"`
	Token string        `json:"token"`
}

// ListResponse is one page of keys. NextCursor is "" at the end.
type ListResponse struct {
	Keys       []apikey.Record `json:"keys"`
	NextCursor string          `json:"next_cursor"`
}

// ScopesResponse is the catalogue, with what the running config makes of it.
type ScopesResponse struct {
	Scopes []ScopeInfo `json:"scopes"`

	Held []HeldScope `json:"held"` // by any key

	// Unknown are those of Held that neither the catalogue nor the running
	// config knows.
	Unknown []HeldScope `json:"unknown"`
}

type HeldScope struct {
	Scope string      `json:"scope"`
	Keys  []apikey.ID `json:"keys"` // the first 100 of them
	Count int         `json:"count"`
}

type ScopeInfo struct {
	Scope       string   `json:"scope"`
	Description string   `json:"description"`
	Known       bool     `json:"catalogue"` // of Keygate's catalogue, not only of the config
	Routes      []string `json:"routes"`    // "GET /v1/posts", sorted; empty where it opens nothing
}

// RotateRequest is the body of a rotation; it may be left out.
type RotateRequest struct {
	Overlap *string `json:"overlap,omitempty"` // a duration from 0s to 8760h; default 24h
}

// UsageResponse is what a key did on the last days, oldest first. Days on
// which it did nothing are left out.
type UsageResponse struct {
	Days []DayUsage `json:"days"`
}

type DayUsage struct {
	Date    string `json:"date"` // a UTC day, 2006-01-02
	Allowed uint64 `json:"allowed"`
	Limited uint64 `json:"limited"`
	Denied  uint64 `json:"denied"` // after authentication
}

// AuditResponse is one page of the audit trail, newest first.
type AuditResponse struct {
	Entries    []keystore.AuditEntry `json:"entries"`
	NextCursor string                `json:"next_cursor"`
}

// CheckResponse says whether every record of the store verifies.
type CheckResponse struct {
	Keys    int             `json:"keys"` // records that were read
	Damaged []DamagedRecord `json:"damaged"`
}

// MendResponse says besides how much was mended before.
type MendResponse struct {
	CheckResponse
	Mended int `json:"mended"`
}

// DamagedRecord is one that does not verify.
type DamagedRecord struct {
	Key     string `json:"key_id"`
	Problem string `json:"problem"`
}

// ExplainRequest names a key, by its ID or prefix or by its token, and a
// request that nobody sends.
type ExplainRequest struct {
	Key    string `json:"key,omitempty"`
	Token  string `json:"token,omitempty"`
	Method string `json:"method"`
	Path   string `json:"path"`             // as on the wire, percent-encoded, without query
	Origin string `json:"origin,omitempty"` // "": no Origin header
	IP     string `json:"ip,omitempty"`     // "": unknown
	At     string `json:"at,omitempty"`     // RFC 3339; "": now
}

// ExplainResponse is the decision with every check of it, in order, also those
// after the first that fails.
type ExplainResponse struct {
	Reason string         `json:"reason"` // "allowed", or the code of the first check that fails
	Status int            `json:"status"` // of the answer; 200 when allowed
	Checks []ExplainCheck `json:"checks"`
}

type ExplainCheck struct {
	Check    string `json:"check"`          // shape, preflight, public_route, credential, key, status, ip, origin, route, scopes, limits
	Outcome  string `json:"outcome"`        // pass, fail or skipped
	Code     string `json:"code,omitempty"` // of the denial, where it fails
	Compared string `json:"compared"`       // what with what
	Fix      string `json:"fix,omitempty"`  // what would make it pass, where it fails
}

// exportedKey is one line of an export, and of what an import reads: the
// record with what only the store knows. status, prefix and last_used_at are
// written for people and ignored by an import.
type exportedKey struct {
	apikey.Record
	Disabled    bool   `json:"disabled"`
	Hash        string `json:"hash"`                   // "sha256:" and 64 hexadecimal digits
	TokenFormat string `json:"token_format,omitempty"` // "": Keygate's own; "opaque": found by its hash
}

// ImportResponse says what an import did. Errors are of single lines; without
// keep_going any of them means that nothing was imported.
type ImportResponse struct {
	Imported int           `json:"imported"`
	Errors   []ImportError `json:"errors"`
}

type ImportError struct {
	Line  int    `json:"line"`
	Error string `json:"error"`
}
