package redisstore

import (
	"cmp"
	"encoding/json"
	"strconv"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// entry is what the administration has to know of one key.
type entry struct {
	op     string // "put", "del", or "" for an audit entry alone
	k      apikey.Key
	audit  *keystore.AuditEntry
	of     string // the workspace whose trail has audit; "": that of k
	made   bool   // the key is created
	record []byte // of "put"; nil: what k is written as

	overtaken bool // it was not entered, as its key was for another change
}

func (e *entry) bytes() []byte {
	if e.record == nil {
		e.record = keystore.EncodeKey(&e.k)
	}
	return e.record
}

// state is the status set that a key belongs to, and when it expires if it is not
// revoked.
func (e *entry) state() (state, expires string) {
	switch {
	case !e.k.RevokedAt.IsZero():
		return "revoked", ""
	case e.k.Disabled:
		state = "disabled"
	}
	if !e.k.ExpiresAt.IsZero() {
		expires = formatInt(e.k.ExpiresAt.Unix())
	}
	return state, expires
}

func (e *entry) args(list []string) ([]string, error) {
	state, expires := e.state()
	hash, audit := "", ""
	if e.k.Opaque {
		hash = string(e.k.Hash[:])
	}
	if e.audit != nil {
		line, err := json.Marshal(e.audit)
		if err != nil {
			return nil, err
		}
		audit = string(line)
	}
	return append(list, e.op, e.k.ID.String(), e.k.Workspace, state, expires, hash, cmp.Or(e.of, e.k.Workspace), audit), nil
}

// enter brings index and trail up to date with a page of a change, in one step.
// It reports whether it did: another may have been faster. Of which key that was true
// for another change, its entry is told.
func (c *change) enter(page int, by keystore.Actor, entries []entry) (bool, error) {
	args := []string{c.name + "/" + strconv.Itoa(page), strconv.Itoa(c.times[page]), formatInt(c.read[page])}
	opaque := false
	for i := range entries {
		var err error
		if args, err = entries[i].args(args); err != nil {
			return false, err
		}
		opaque = opaque || entries[i].k.Opaque
	}
	s, n := c.s, &c.s.names
	m, have, err := s.conn.RunReplicated(enterScript, []string{
		n.meta, n.ids, n.workspaces, n.disabled, n.revoked, n.expires, n.opaque, n.used, n.audit, n.auditByKey, n.steps,
		n.until, n.auditByWs, n.places, n.reserved, n.pending, n.entered,
	}, args, s.replicas)
	if err != nil {
		return false, err
	}
	told, err := m.AsIntSlice()
	if err != nil || len(told) == 0 {
		return false, err
	}
	c.times[page]++
	c.read[page] = told[0]
	for _, n := range told[1:] {
		entries[n-1].overtaken = true
	}
	if opaque {
		s.hashes.forgetAll()
		if s.loadOpaque() != nil {
			s.opaqueChanged()
		}
	}
	s.replicated(by, have)
	return true, nil
}
