package redisstore

import (
	"encoding/json"
	"maps"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// WorkspaceLimits implements [keystore.Store]. While the engine is away it
// answers what was last known.
func (s *Store) WorkspaceLimits(workspace string) (apikey.WorkspaceLimits, bool) {
	all := s.limits.Load()
	if all == nil {
		return apikey.WorkspaceLimits{}, false
	}
	lim, ok := (*all)[workspace]
	return lim, ok
}

// AllWorkspaceLimits implements [keystore.Store].
func (s *Store) AllWorkspaceLimits() map[string]apikey.WorkspaceLimits {
	if all := s.limits.Load(); all != nil {
		return *all
	}
	return nil
}

// reloadLimits has followLimits read the limits soon, and ask whether there are opaque
// keys.
func (s *Store) reloadLimits() {
	select {
	case s.reload <- struct{}{}:
	default:
	}
}

func (s *Store) followLimits() {
	for {
		select {
		case <-s.closing:
			return
		case <-s.reload:
			// Where they fail the next heartbeat asks for them again.
			if s.loadLimits() != nil || s.loadOpaque() != nil {
				s.limitsOf.Store(nil)
			}
		}
	}
}

// loadLimits reads the limits of all workspaces, and reads them again if an
// invalidation arrived meanwhile.
func (s *Store) loadLimits() error {
	s.loading.Lock()
	defer s.loading.Unlock()
	for {
		news, generation := s.limitsNews.Load(), s.tracking.Generation()
		reply := s.tracking.DoMulti(s.tracking.B().Hgetall().Key(s.names.limits).Build())[0]
		if reply.Err != nil {
			return reply.Err
		}
		records, err := reply.AsStrMap()
		if err != nil {
			return err
		}
		var all map[string]apikey.WorkspaceLimits
		for workspace, record := range records {
			// What does not verify is held to the least; Check tells of it.
			lim, _ := keystore.DecodeLimits(workspace, []byte(record))
			if all == nil {
				all = make(map[string]apikey.WorkspaceLimits, len(records))
			}
			all[workspace] = lim
		}
		if all == nil {
			s.limits.Store(nil)
		} else {
			s.limits.Store(&all)
		}
		if s.limitsNews.Load() == news {
			s.limitsOf.Store(generation)
			return nil
		}
	}
}

// rememberLimits notes a change that is made, until all can be read again.
func (s *Store) rememberLimits(workspace string, lim *apikey.WorkspaceLimits) {
	s.loading.Lock()
	defer s.loading.Unlock()
	all := maps.Clone(s.AllWorkspaceLimits())
	if all == nil {
		all = make(map[string]apikey.WorkspaceLimits)
	}
	delete(all, workspace)
	if lim != nil {
		all[workspace] = *lim
	}
	s.limits.Store(&all)
}

// SetWorkspaceLimits implements [keystore.Store].
func (s *Store) SetWorkspaceLimits(workspace string, lim *apikey.WorkspaceLimits, by keystore.Actor) error {
	if err := s.open(); err != nil {
		return err
	}
	if err := apikey.CheckWorkspace(workspace); err != nil {
		return err
	}
	for range attempts {
		m, err := s.conn.Do(s.conn.B().Hget().Key(s.names.limits).Field(workspace).Build())
		if err != nil {
			return notRead(err)
		}
		have := ""
		if !m.IsNil() {
			if have, err = m.ToString(); err != nil {
				return err
			}
		}
		e := by.Entry("unlimit", apikey.ID{})
		e.Workspace = workspace
		var old, now *apikey.WorkspaceLimits
		if was, err := keystore.DecodeLimits(workspace, []byte(have)); err == nil {
			old = &was
		}
		record := ""
		if lim != nil {
			now, e.Action, record = new(*lim), "limit", string(keystore.EncodeLimits(workspace, *lim))
		}
		if record == have {
			return s.Writable()
		}
		e.Changes = map[string]keystore.Change{"limits": {From: old, To: now}}
		line, err := json.Marshal(&e)
		if err != nil {
			return err
		}
		m, replicas, err := s.conn.RunReplicated(limitsScript, []string{s.names.meta, s.names.limits, s.names.audit, s.names.auditByWs, s.names.places},
			[]string{workspace, have, record, string(line)}, s.replicas)
		s.limitsNews.Add(1)
		if err != nil {
			return changeError(err)
		}
		if swapped, err := m.AsBool(); err != nil {
			return err
		} else if !swapped {
			continue
		}
		s.replicated(by, replicas)
		// It is in force here before this returns, whatever is being read now.
		if s.loadLimits() != nil {
			s.rememberLimits(workspace, lim)
			s.reloadLimits()
		}
		return nil
	}
	return errContended
}
