package keystore

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/socialpatra/keygate/apikey"
)

// keyEntry is what tells the workspace of an entry about a key.
type keyEntry struct {
	Seq     uint64    `json:"seq"`
	At      time.Time `json:"at"`
	Action  string    `json:"action"`
	Key     apikey.ID `json:"key_id"`
	Changes struct {
		Workspace struct {
			From string `json:"from"`
			To   string `json:"to"`
		} `json:"workspace"`
	} `json:"changes"`
	Workspace string `json:"workspace"`
}

// KeyWorkspaces returns the workspace of each entry about one key, oldest first,
// from what the entries themselves tell: those that make a key and those that delete
// one name its workspace, which it never leaves. now is the workspace that the key
// is in, "" if there is no such key. The result is "" for entries of a key of which
// nothing is left that names its workspace.
func KeyWorkspaces(entries []AuditEntry, now string) []string {
	short := make([]keyEntry, len(entries))
	for i := range entries {
		e := &entries[i]
		short[i] = keyEntry{Action: e.Action}
		if c, ok := e.Changes["workspace"]; ok {
			short[i].Changes.Workspace.From, _ = c.From.(string)
			short[i].Changes.Workspace.To, _ = c.To.(string)
		}
	}
	return keyWorkspaces(short, now)
}

func keyWorkspaces(entries []keyEntry, now string) []string {
	workspaces := make([]string, len(entries))
	known := "" // of the life of the key that the entry is in
	for i := range entries {
		e := &entries[i]
		if e.Changes.Workspace.To != "" {
			known = e.Changes.Workspace.To
		}
		workspaces[i] = cmp.Or(known, e.Changes.Workspace.From)
		if e.Action == "delete" {
			known = ""
		}
	}
	// If the first entry of a life is pruned, the entries after it, or the key as it is
	// now, tell the workspace of those before them.
	known = now
	for i := len(entries) - 1; i >= 0; i-- {
		e := &entries[i]
		if e.Action == "delete" {
			known = "" // whoever made a key with this ID later may be in another workspace
		}
		if workspaces[i] == "" {
			workspaces[i] = known
		}
		known = workspaces[i]
		if e.Changes.Workspace.To != "" { // the key was made here
			known = ""
		}
	}
	return workspaces
}

// placeTrail gives the entries of an older schema their places in the trails of
// their workspaces.
func placeTrail(tx *bolt.Tx) error {
	p := placer{tx: tx, of: make(map[uint64]*placedKey)}
	if err := p.readKeys(); err != nil {
		return err
	}
	return p.place()
}

// placer collects the workspaces of entries.
type placer struct {
	tx *bolt.Tx
	of map[uint64]*placedKey // by sequence number
}

// placedKey is the life of a key, in one workspace.
type placedKey struct {
	id        apikey.ID
	workspace string
}

// readKeys reads the entries key by key, as the index of keys has them.
func (p *placer) readKeys() error {
	var entries []keyEntry
	var id apikey.ID
	finish := func() {
		now := ""
		if k, err := getKey(p.tx, id); err == nil {
			now = k.Workspace
		} else if errors.Is(err, ErrDamaged) {
			now = workspaceOf(p.tx, id)
		}
		life := &placedKey{id: id}
		for i, workspace := range keyWorkspaces(entries, now) {
			if life.workspace != workspace {
				life = &placedKey{id, workspace}
			}
			p.of[entries[i].Seq] = life
		}
		entries = entries[:0]
	}
	audit, cursor := p.tx.Bucket(bucketAudit), p.tx.Bucket(bucketAuditByKey).Cursor()
	for name, _ := cursor.First(); name != nil; name, _ = cursor.Next() {
		if len(name) != apikey.IDLen+seqLen {
			continue // Check reports it
		}
		seq := name[apikey.IDLen:]
		if !bytes.Equal(name[:apikey.IDLen], id[:]) {
			finish()
			id = apikey.ID(name[:apikey.IDLen])
		}
		var e keyEntry
		if decodeAudit(seq, audit.Get(seq), &e) != nil {
			e = keyEntry{} // those around it tell its workspace
		}
		e.Seq = binary.BigEndian.Uint64(seq)
		entries = append(entries, e)
	}
	finish()
	return nil
}

// place numbers the entries of each workspace, in the order of the trail.
func (p *placer) place() error {
	type placed struct {
		seq uint64
		at  AuditPlace
		id  apikey.ID
	}
	var all []placed
	numbers := make(map[string]uint64)
	cursor := p.tx.Bucket(bucketAudit).Cursor()
	for name, value := cursor.First(); name != nil; name, value = cursor.Next() {
		if len(name) != seqLen {
			continue
		}
		e := placed{seq: binary.BigEndian.Uint64(name)}
		if life := p.of[e.seq]; life != nil {
			e.id, e.at.Workspace = life.id, life.workspace
		} else {
			var limits keyEntry
			if decodeAudit(name, value, &limits) != nil || !limits.Key.IsZero() {
				continue
			}
			e.at.Workspace = limits.Workspace
		}
		if e.at.Workspace != "" {
			numbers[e.at.Workspace]++
			e.at.Number = numbers[e.at.Workspace]
		}
		all = append(all, e)
	}
	slices.SortStableFunc(all, func(x, y placed) int { return cmp.Compare(x.at.Workspace, y.at.Workspace) })
	p.tx.Bucket(bucketAuditByWorkspace).FillPercent = bulkFill
	for _, e := range all {
		if e.at.Number == 0 {
			continue
		}
		if err := putPlaced(p.tx, e.at, e.seq); err != nil {
			return err
		}
	}
	slices.SortFunc(all, func(x, y placed) int { return cmp.Or(bytes.Compare(x.id[:], y.id[:]), cmp.Compare(x.seq, y.seq)) })
	byKey := p.tx.Bucket(bucketAuditByKey)
	for _, e := range all {
		if e.id.IsZero() {
			continue
		}
		name := binary.BigEndian.AppendUint64(e.id[:], e.seq)
		if err := byKey.Put(name, e.at.encode(name)); err != nil {
			return err
		}
	}
	return nil
}
