package adminapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/base32"
	"fmt"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// The cursor of a list says where its page ended, and nothing else: the ID of the
// last key, and its value in the order. In the order of IDs, with no filter but
// workspace and status, it is the ID alone. Otherwise it is, in base 32:
//
//	which list    6 bytes of the SHA-256 of its order and filters
//	ID           12 bytes
//	value         as the store gave it
//	check         4 bytes of the SHA-256 of all before
//
// No letter of it is an underscore, so that it never has the form of a token.
const (
	listLen  = 6
	checkLen = 4
)

var cursorText = base32.HexEncoding.WithPadding(base32.NoPadding)

// byIDs reports whether a list is in the order of IDs and has no filter but
// workspace and status. Its cursor fits any other such list.
func byIDs(q *keystore.Query) bool {
	bare := keystore.Query{Workspace: q.Workspace, Status: q.Status, Now: q.Now, After: q.After, AfterValue: q.AfterValue, Limit: q.Limit}
	return *q == bare
}

// nextCursor is the cursor behind a page of a list.
func nextCursor(q *keystore.Query, page *keystore.Page) string {
	if page.Next.IsZero() || byIDs(q) {
		return page.Next.String()
	}
	b := append(whichList(q), page.Next[:]...)
	b = append(b, page.NextValue...)
	return cursorText.EncodeToString(append(b, sum(b, checkLen)...))
}

// readCursor lets a list begin at a cursor.
func readCursor(cursor string, q *keystore.Query) (err error) {
	if cursor == "" {
		return nil
	}
	id, err := apikey.ParseID(cursor)
	isID := err == nil
	if isID && byIDs(q) {
		q.After = id
		return nil
	}
	b, err := cursorText.DecodeString(cursor)
	body := len(b) - checkLen
	isList := err == nil && cursorText.EncodeToString(b) == cursor && body >= listLen+apikey.IDLen && bytes.Equal(b[body:], sum(b[:body], checkLen))
	switch {
	case !isID && !isList:
		return noCursor()
	case isID, !bytes.Equal(b[:listLen], whichList(q)):
		return &apikey.FieldError{
			Field: cursorParam, Problem: "is of a list in another order or with other filters",
			Accepted: "the order and filters of the page that it came with, or no cursor for the first page",
		}
	}
	if q.After, err = apikey.ParseID(string(b[listLen : listLen+apikey.IDLen])); err != nil {
		return noCursor()
	}
	q.AfterValue = string(b[listLen+apikey.IDLen : body])
	if q.Check() != nil {
		return noCursor()
	}
	return nil
}

// whichList tells lists apart whose pages do not fit each other.
func whichList(q *keystore.Query) []byte {
	return sum(fmt.Appendf(nil, "%q %q %q %q %q %d %t %d %t %q",
		q.Workspace, q.Status, q.Scope, q.CreatedBy, q.Name, q.Expiring, q.NoExpiry, q.Idle, q.NeverUsed, q.Sort), listLen)
}

func sum(b []byte, n int) []byte {
	full := sha256.Sum256(b)
	return full[:n]
}
