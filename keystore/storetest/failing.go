package storetest

import (
	"io"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// Failing is a store that fails in one method, one of [FailingMethods].
type Failing struct {
	keystore.Store
	Method string
	Err    error // what it fails with
	Failed bool  // whether the method was called
}

func (s *Failing) in(method string) error {
	if s.Method != method {
		return nil
	}
	s.Failed = true
	return s.Err
}

// Lookup implements [keystore.Store].
func (s *Failing) Lookup(id apikey.ID) (apikey.Grant, bool, error) {
	if err := s.in("Lookup"); err != nil {
		return apikey.Grant{}, false, err
	}
	return s.Store.Lookup(id)
}

// LookupOpaque implements [keystore.Store].
func (s *Failing) LookupOpaque(hash apikey.Hash) (apikey.ID, apikey.Grant, bool, error) {
	if err := s.in("LookupOpaque"); err != nil {
		return apikey.ID{}, apikey.Grant{}, false, err
	}
	return s.Store.LookupOpaque(hash)
}

// Get implements [keystore.Store].
func (s *Failing) Get(id apikey.ID) (apikey.Key, error) {
	if err := s.in("Get"); err != nil {
		return apikey.Key{}, err
	}
	return s.Store.Get(id)
}

// List implements [keystore.Store].
func (s *Failing) List(q keystore.Query) (keystore.Page, error) {
	if err := s.in("List"); err != nil {
		return keystore.Page{}, err
	}
	return s.Store.List(q)
}

// Create implements [keystore.Store].
func (s *Failing) Create(k apikey.Key, by keystore.Actor) error {
	if err := s.in("Create"); err != nil {
		return err
	}
	return s.Store.Create(k, by)
}

// CreateAll implements [keystore.Store].
func (s *Failing) CreateAll(keys []apikey.Key, by keystore.Actor, progress func(int)) error {
	if err := s.in("CreateAll"); err != nil {
		return err
	}
	return s.Store.CreateAll(keys, by, progress)
}

// Update implements [keystore.Store].
func (s *Failing) Update(id apikey.ID, action string, by keystore.Actor, edit func(*apikey.Key) error) (apikey.Key, error) {
	if err := s.in("Update"); err != nil {
		return apikey.Key{}, err
	}
	return s.Store.Update(id, action, by, edit)
}

// Rotate implements [keystore.Store].
func (s *Failing) Rotate(id apikey.ID, by keystore.Actor, edit func(old, next *apikey.Key) error) (apikey.Key, error) {
	if err := s.in("Rotate"); err != nil {
		return apikey.Key{}, err
	}
	return s.Store.Rotate(id, by, edit)
}

// Delete implements [keystore.Store].
func (s *Failing) Delete(id apikey.ID, by keystore.Actor, check func(*apikey.Key) error) error {
	if err := s.in("Delete"); err != nil {
		return err
	}
	return s.Store.Delete(id, by, check)
}

// SetWorkspaceLimits implements [keystore.Store].
func (s *Failing) SetWorkspaceLimits(name string, limits *apikey.WorkspaceLimits, by keystore.Actor) error {
	if err := s.in("SetWorkspaceLimits"); err != nil {
		return err
	}
	return s.Store.SetWorkspaceLimits(name, limits, by)
}

// Usage implements [keystore.Store].
func (s *Failing) Usage(id apikey.ID, from, to apikey.Day) ([]apikey.Usage, error) {
	if err := s.in("Usage"); err != nil {
		return nil, err
	}
	return s.Store.Usage(id, from, to)
}

// LastUsed implements [keystore.Store].
func (s *Failing) LastUsed(id apikey.ID) (time.Time, error) {
	if err := s.in("LastUsed"); err != nil {
		return time.Time{}, err
	}
	return s.Store.LastUsed(id)
}

// HeldScopes implements [keystore.Store].
func (s *Failing) HeldScopes(most int) ([]keystore.HeldScope, error) {
	if err := s.in("HeldScopes"); err != nil {
		return nil, err
	}
	return s.Store.HeldScopes(most)
}

// Audit implements [keystore.Store].
func (s *Failing) Audit(q keystore.AuditQuery) (keystore.AuditPage, error) {
	if err := s.in("Audit"); err != nil {
		return keystore.AuditPage{}, err
	}
	return s.Store.Audit(q)
}

// Backup implements [keystore.Store].
func (s *Failing) Backup(w io.Writer) error {
	if err := s.in("Backup"); err != nil {
		return err
	}
	return s.Store.Backup(w)
}

// Check implements [keystore.Store].
func (s *Failing) Check(damaged func(string, error)) (int, error) {
	if err := s.in("Check"); err != nil {
		return 0, err
	}
	return s.Store.Check(damaged)
}

// FailingMethods are the methods in which a [Failing] store may fail: those that
// the admin API calls, but for Writable, which is a warning.
func FailingMethods() []string {
	return []string{
		"Lookup", "LookupOpaque", "Get", "List", "Create", "CreateAll", "Update", "Rotate", "Delete",
		"SetWorkspaceLimits", "Usage", "LastUsed", "HeldScopes", "Audit", "Backup", "Check",
	}
}
