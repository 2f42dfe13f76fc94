package keystore

import (
	"bytes"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/socialpatra/keygate/apikey"
)

// List implements [Store]. Records that do not verify are left out.
func (b *Bolt) List(q Query) (Page, error) {
	limit := pageSize(q.Limit)
	var page Page
	err := b.view(func(tx *bolt.Tx) error {
		for id := range idsAfter(tx, q.Workspace, q.After) {
			k, ok := b.listed(tx, id, &q)
			switch {
			case !ok:
				continue
			case len(page.Keys) == limit:
				page.Next = page.Keys[limit-1].ID
				return nil
			}
			used, err := lastUsed(tx, id)
			if err != nil {
				used = time.Time{} // one damaged record must not hide all keys; Check reports it
			}
			page.Keys, page.LastUsed = append(page.Keys, k), append(page.LastUsed, used)
		}
		return nil
	})
	if err != nil {
		return Page{}, err
	}
	return page, nil
}

// listed returns the key with this ID if q selects it.
func (b *Bolt) listed(tx *bolt.Tx, id apikey.ID, q *Query) (apikey.Key, bool) {
	// The index knows the status without decoding a record. Of a million keys,
	// few may have the status.
	if q.Status != "" {
		if g, ok := b.index.Lookup(id); !ok || g.Status(q.Now) != q.Status {
			return apikey.Key{}, false
		}
	}
	k, err := getKey(tx, id)
	if err != nil {
		return apikey.Key{}, false
	}
	// The index may be older or newer than the transaction.
	return k, (q.Status == "" || k.Status(q.Now) == q.Status) && (q.Workspace == "" || k.Workspace == q.Workspace)
}

// idsAfter yields the IDs of all keys, or of those of one workspace, in order.
func idsAfter(tx *bolt.Tx, workspace string, after apikey.ID) func(yield func(apikey.ID) bool) {
	bucket, prefix := bucketKeys, []byte(nil)
	if workspace != "" {
		bucket, prefix = bucketWorkspaces, append([]byte(workspace), 0)
	}
	start := prefix
	if !after.IsZero() {
		start = append(bytes.Clone(prefix), after[:]...)
	}
	return func(yield func(apikey.ID) bool) {
		cursor := tx.Bucket(bucket).Cursor()
		for name, _ := cursor.Seek(start); bytes.HasPrefix(name, prefix) && name != nil; name, _ = cursor.Next() {
			id := name[len(prefix):]
			if len(id) != apikey.IDLen || apikey.ID(id) == after {
				continue
			}
			if !yield(apikey.ID(id)) {
				return
			}
		}
	}
}

// pageSize returns how many entries a page has at most.
func pageSize(limit int) int {
	if limit <= 0 {
		return DefaultPage
	}
	return min(limit, MaxPage)
}
