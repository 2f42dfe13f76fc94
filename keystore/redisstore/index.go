package redisstore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// entry is what the administration has to know of one key.
type entry struct {
	op    string // "put", "del", or "" for an audit entry alone
	k     apikey.Key
	audit *keystore.AuditEntry
}

func (e *entry) args(list []string) ([]string, error) {
	state, expires, hash, audit := "", "", "", ""
	switch {
	case !e.k.RevokedAt.IsZero():
		state = "revoked"
	case e.k.Disabled:
		state = "disabled"
	case !e.k.ExpiresAt.IsZero():
		expires = strconv.FormatInt(e.k.ExpiresAt.Unix(), 10)
	}
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
	return append(list, e.op, e.k.ID.String(), e.k.Workspace, state, expires, hash, audit), nil
}

// enter brings index and audit trail up to date, in one step.
func (s *Store) enter(by keystore.Actor, entries ...entry) error {
	var args []string
	opaque := false
	for i := range entries {
		var err error
		if args, err = entries[i].args(args); err != nil {
			return err
		}
		opaque = opaque || entries[i].k.Opaque
	}
	n := &s.names
	_, have, err := s.conn.RunReplicated(enterScript, []string{
		n.meta, n.ids, n.workspaces, n.disabled, n.revoked, n.expires, n.opaque, n.used, n.audit, n.auditByKey,
	}, args, s.replicas)
	if err == nil && opaque {
		s.hashes.forgetAll()
		err = s.loadOpaque()
	}
	if err != nil {
		return fmt.Errorf("%w: it is in force, but may be missing in the index and the audit trail: %w", keystore.ErrUnknownOutcome, err)
	}
	s.replicated(by, have)
	return nil
}

// settle makes the index agree with a record that somebody else has changed
// since it was entered. The last one to enter a key also looks at it last.
func (s *Store) settle(id apikey.ID, entered []byte) error {
	for range attempts {
		record, err := s.raw(id)
		if err != nil || bytes.Equal(record, entered) {
			return nil //nolint:nilerr // the change itself is complete
		}
		e := entry{op: "put"}
		if record == nil {
			e.op, e.k.ID = "del", id
			if was, err := keystore.DecodeKey(id, entered); err == nil {
				e.k = was
			}
		} else if e.k, err = keystore.DecodeKey(id, record); err != nil {
			return nil //nolint:nilerr // Check tells of it
		}
		if err := s.enter(keystore.Actor{}, e); err != nil {
			return err
		}
		entered = record
	}
	return errContended
}
