// Package apitest holds what tests of the admin API and of the command have in
// common: keys that differ in every field, and a store whose calls fail in turn.
package apitest

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/apikey"
)

// Start is when these tests begin.
var Start = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

// Object is JSON as it is, whatever the program takes it for.
type Object = map[string]any

// EachKind are keys of which each differs from those beside it in every field,
// in the order of their IDs, with the lines that an export must have of them.
// Times are far from the present, so that their status is the same for long.
func EachKind(t *testing.T, n int) (keys []apikey.Key, lines []Object) {
	t.Helper()
	id := func(i int) string { return fmt.Sprintf("7Hk2Qp9%05d", i) }
	for i := range n {
		token := fmt.Sprintf("token %d", i)
		if i == 0 {
			token = FirstToken
		}
		hash := apikey.HashToken(token)
		line := Object{
			"id":              id(i),
			"prefix":          "patra_" + id(i),
			"workspace":       fmt.Sprintf("w%d", i%7),
			"name":            fmt.Sprintf("key %d <&>", i),
			"description":     strings.Repeat("d", i%5),
			"scopes":          []any{"posts:read"},
			"status":          "active",
			"created_at":      Start.Add(-time.Duration(i) * time.Minute).Format(time.RFC3339),
			"created_by":      "",
			"expires_at":      nil,
			"revoked_at":      nil,
			"last_used_at":    nil,
			"limits":          Object{"per_minute": float64(i + 2), "per_day": float64(i + 3), "burst": float64(i + 1)},
			"allowed_origins": []any{},
			"allowed_ips":     []any{},
			"rotated_from":    "",
			"replaced_by":     "",
			"disabled":        false,
			"hash":            "sha256:" + hex.EncodeToString(hash[:]),
		}
		if i%2 == 1 {
			line["scopes"] = []any{"media:upload", "posts:write"}
			line["allowed_origins"] = []any{fmt.Sprintf("https://s%d.example", i)}
		}
		if i%3 == 1 {
			line["allowed_ips"] = []any{fmt.Sprintf("10.%d.%d.0/24", i/256, i%256)}
			line["expires_at"] = "2100-01-02T03:04:05Z"
		}
		if i%4 == 3 {
			line["created_by"] = fmt.Sprintf("Ada %d", i)
		}
		switch i % 11 {
		case 2:
			line["expires_at"], line["status"] = "2020-01-02T03:04:05Z", "expired"
		case 3:
			line["disabled"], line["status"] = true, "disabled"
		case 4:
			line["revoked_at"], line["status"] = "2026-11-20T03:04:05Z", "revoked"
		case 5:
			line["token_format"] = "opaque"
		case 6:
			line["rotated_from"], line["replaced_by"], line["account"] = id(i+n), id(i+2*n), id(i+3*n)
		}
		lines = append(lines, line)

		when := func(name string) (at time.Time) {
			if text, ok := line[name].(string); ok {
				var err error
				if at, err = time.Parse(time.RFC3339, text); err != nil {
					t.Fatal(err)
				}
			}
			return at
		}
		texts := func(name string) (all []string) {
			for _, text := range line[name].([]any) {
				all = append(all, text.(string))
			}
			return all
		}
		ref := func(name string) (id apikey.ID) {
			if text, _ := line[name].(string); text != "" {
				var err error
				if id, err = apikey.ParseID(text); err != nil {
					t.Fatal(err)
				}
			}
			return id
		}
		keys = append(keys, apikey.Key{
			ID: ref("id"), Prefix: line["prefix"].(string), Hash: hash, Opaque: line["token_format"] != nil,
			Workspace: line["workspace"].(string), Name: line["name"].(string), Description: line["description"].(string), Scopes: texts("scopes"),
			Limits:         apikey.Limits{PerMinute: uint32(i + 2), PerDay: uint32(i + 3), Burst: uint32(i + 1)},
			AllowedOrigins: texts("allowed_origins"), AllowedIPs: texts("allowed_ips"),
			CreatedAt: when("created_at"), CreatedBy: line["created_by"].(string), ExpiresAt: when("expires_at"), RevokedAt: when("revoked_at"), Disabled: line["disabled"].(bool),
			RotatedFrom: ref("rotated_from"), ReplacedBy: ref("replaced_by"), Account: ref("account"),
		})
	}
	return keys, lines
}

// OpaqueLine is a line of an import: a key of another system with the given token.
func OpaqueLine(token string, more ...string) string {
	hash := apikey.HashToken(token)
	line := `{"workspace":"acme","name":"old system","scopes":["posts:read"],"token_format":"opaque","hash":"sha256:` + hex.EncodeToString(hash[:]) + `"`
	return strings.Join(append([]string{line}, more...), ",") + "}"
}

// Page is an answer of the API at this URL. It is not held against openapi.yaml,
// which takes long for a thousand entries.
func Page(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url) //nolint:gosec // of a server in this process
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d, %v", url, resp.StatusCode, err)
	}
	return string(body)
}
