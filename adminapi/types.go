package adminapi

import (
	"encoding/json"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// This file has the bodies of the admin API, which the server and the command
// share.

// KeyRequest is the body of a creation or a change. An absent member gets its
// default in a creation and stays as it is in a change.
type KeyRequest struct {
	Workspace   *string   `json:"workspace,omitempty"` // required in a creation, refused in a change
	Name        *string   `json:"name,omitempty"`
	Description *string   `json:"description,omitempty"`
	Scopes      *[]string `json:"scopes,omitempty"`

	ExpiresInDays *int64          `json:"expires_in_days,omitempty"` // 1–3650
	ExpiresAt     json.RawMessage `json:"expires_at,omitempty"`      // RFC 3339 in the future, or null: never

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

// TokenResponse is the answer to a creation or a rotation. No other answer shows
// the token.
type TokenResponse struct {
	Key   apikey.Record `json:"key"`
	Token string        `json:"token"`
}

// ListResponse is one page of keys. NextCursor is "" on the last page.
type ListResponse struct {
	Keys       []apikey.Record `json:"keys"`
	NextCursor string          `json:"next_cursor"`
}

// ScopesResponse is the catalogue, with the routes that need each scope.
type ScopesResponse struct {
	Scopes []ScopeInfo `json:"scopes"`

	Held []HeldScope `json:"held"` // the scopes that keys hold

	// Unknown lists the scopes in Held that neither the catalogue nor the running
	// config has.
	Unknown []HeldScope `json:"unknown"`
}

type HeldScope struct {
	Scope string      `json:"scope"`
	Keys  []apikey.ID `json:"keys"` // the first 100 keys that hold it
	Count int         `json:"count"`
}

type ScopeInfo struct {
	Scope       string   `json:"scope"`
	Description string   `json:"description"`
	Known       bool     `json:"catalogue"` // in Keygate's catalogue, not only in the config
	Routes      []string `json:"routes"`    // "GET /v1/posts", sorted; empty if no route needs the scope
}

// RotateRequest is the body of a rotation. It may be absent.
type RotateRequest struct {
	Overlap *string `json:"overlap,omitempty"` // a duration from 0s to 8760h; default 24h
}

// UsageResponse is the use of a key on the last days, oldest first. Days without
// use are left out.
type UsageResponse struct {
	Days []DayUsage `json:"days"`
}

type DayUsage struct {
	Date    string `json:"date"` // a UTC day, 2006-01-02
	Allowed uint64 `json:"allowed"`
	Limited uint64 `json:"limited"`
	Denied  uint64 `json:"denied"` // refused after authentication
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

// MendResponse is a CheckResponse, with how much was mended before the check.
type MendResponse struct {
	CheckResponse
	Mended int `json:"mended"`
}

// DamagedRecord is a record that does not verify.
type DamagedRecord struct {
	Key     string `json:"key_id"`
	Problem string `json:"problem"`
}

// ExplainRequest describes a hypothetical request, and names a key by ID, prefix
// or token.
type ExplainRequest struct {
	Key    string `json:"key,omitempty"`
	Token  string `json:"token,omitempty"`
	Method string `json:"method"`
	Path   string `json:"path"`             // as on the wire, percent-encoded, without the query
	Origin string `json:"origin,omitempty"` // "": no Origin header
	IP     string `json:"ip,omitempty"`     // "": unknown
	At     string `json:"at,omitempty"`     // RFC 3339; "": now
}

// ExplainResponse is the decision with every check in order, including those
// after the first that fails.
type ExplainResponse struct {
	Reason string         `json:"reason"`           // "allowed", or the code of the first check that fails
	Status int            `json:"status"`           // of the answer; 200 when allowed
	Mode   string         `json:"mode,omitempty"`   // report, where denials are only counted
	Passes bool           `json:"passes,omitempty"` // so that the request passes although it is denied
	Checks []ExplainCheck `json:"checks"`
}

type ExplainCheck struct {
	Check    string `json:"check"`          // shape, preflight, public_route, credential, key, status, ip, origin, route, scopes, limits
	Outcome  string `json:"outcome"`        // pass, fail or skipped
	Code     string `json:"code,omitempty"` // of the denial, if the check fails
	Compared string `json:"compared"`       // what was compared with what
	Fix      string `json:"fix,omitempty"`  // what would make the check pass, if it fails
}

// exportedKey is one line of an export or import: the record, and what only the
// store knows. An export writes status, prefix and last_used_at for people; an
// import ignores them.
type exportedKey struct {
	apikey.Record
	Disabled    bool   `json:"disabled"`
	Hash        string `json:"hash"`                   // "sha256:" and 64 hexadecimal digits
	TokenFormat string `json:"token_format,omitempty"` // "": Keygate's own; "opaque": of another system, found by its hash

	Account apikey.ID `json:"account,omitzero"` // see apikey.Key
}

// ImportResponse says what an import did. Errors are about single lines. Without
// keep_going, any error means that nothing was imported.
type ImportResponse struct {
	Imported int           `json:"imported"`
	Errors   []ImportError `json:"errors"`
}

type ImportError struct {
	Line  int    `json:"line"`
	Error string `json:"error"`
}
