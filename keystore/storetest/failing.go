package storetest

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// Failing is a store whose calls fail on purpose: all calls of Method, or the Nth call
// of any of the [FailingMethods]. All other calls are done by the Store. An import may
// call it on several cores at once.
type Failing struct {
	keystore.Store
	counting sync.Mutex // of the calls: N, Failed

	Method string // that fails; "": none
	N      int    // of the calls from here on, that fails; 0: none
	Err    error  // what it fails with
	Failed string // the method that did last; "" before that
	Wrote  bool   // a call before it changed the store
}

func (s *Failing) call(method string) error {
	s.counting.Lock()
	defer s.counting.Unlock()
	s.N--
	if s.N != 0 && s.Method != method {
		return nil
	}
	s.Failed = method
	return s.Err
}

// write is call for what changes the store where it does not fail.
func (s *Failing) write(method string, do func() error) error {
	if err := s.call(method); err != nil {
		return err
	}
	err := do()
	s.Wrote = s.Wrote || err == nil
	return err
}

// Lookup implements [keystore.Store].
func (s *Failing) Lookup(id apikey.ID) (apikey.Grant, bool, error) {
	if err := s.call("Lookup"); err != nil {
		return apikey.Grant{}, false, err
	}
	return s.Store.Lookup(id)
}

// LookupOpaque implements [keystore.Store].
func (s *Failing) LookupOpaque(hash apikey.Hash) (apikey.ID, apikey.Grant, bool, error) {
	if err := s.call("LookupOpaque"); err != nil {
		return apikey.ID{}, apikey.Grant{}, false, err
	}
	return s.Store.LookupOpaque(hash)
}

// Get implements [keystore.Store].
func (s *Failing) Get(id apikey.ID) (apikey.Key, error) {
	if err := s.call("Get"); err != nil {
		return apikey.Key{}, err
	}
	return s.Store.Get(id)
}

// List implements [keystore.Store].
func (s *Failing) List(q keystore.Query) (keystore.Page, error) {
	if err := s.call("List"); err != nil {
		return keystore.Page{}, err
	}
	return s.Store.List(q)
}

// Create implements [keystore.Store].
func (s *Failing) Create(k apikey.Key, by keystore.Actor) error {
	return s.write("Create", func() error { return s.Store.Create(k, by) })
}

// CreateAll implements [keystore.Store].
func (s *Failing) CreateAll(keys []apikey.Key, by keystore.Actor, progress func(int)) error {
	return s.write("CreateAll", func() error { return s.Store.CreateAll(keys, by, progress) })
}

// Update implements [keystore.Store].
func (s *Failing) Update(id apikey.ID, action string, by keystore.Actor, edit func(*apikey.Key) error) (k apikey.Key, err error) {
	err = s.write("Update", func() error {
		k, err = s.Store.Update(id, action, by, edit)
		return err
	})
	return k, err
}

// Rotate implements [keystore.Store].
func (s *Failing) Rotate(id apikey.ID, by keystore.Actor, edit func(old, next *apikey.Key) error) (k apikey.Key, err error) {
	err = s.write("Rotate", func() error {
		k, err = s.Store.Rotate(id, by, edit)
		return err
	})
	return k, err
}

// Delete implements [keystore.Store].
func (s *Failing) Delete(id apikey.ID, by keystore.Actor, check func(*apikey.Key) error) error {
	return s.write("Delete", func() error { return s.Store.Delete(id, by, check) })
}

// SetWorkspaceLimits implements [keystore.Store].
func (s *Failing) SetWorkspaceLimits(workspace string, lim *apikey.WorkspaceLimits, by keystore.Actor) error {
	return s.write("SetWorkspaceLimits", func() error { return s.Store.SetWorkspaceLimits(workspace, lim, by) })
}

// Usage implements [keystore.Store].
func (s *Failing) Usage(id apikey.ID, from, to apikey.Day) ([]apikey.Usage, error) {
	if err := s.call("Usage"); err != nil {
		return nil, err
	}
	return s.Store.Usage(id, from, to)
}

// LastUsed implements [keystore.Store].
func (s *Failing) LastUsed(id apikey.ID) (time.Time, error) {
	if err := s.call("LastUsed"); err != nil {
		return time.Time{}, err
	}
	return s.Store.LastUsed(id)
}

// HeldScopes implements [keystore.Store].
func (s *Failing) HeldScopes(workspace string, most int) ([]keystore.HeldScope, error) {
	if err := s.call("HeldScopes"); err != nil {
		return nil, err
	}
	return s.Store.HeldScopes(workspace, most)
}

// Audit implements [keystore.Store].
func (s *Failing) Audit(q keystore.AuditQuery) (keystore.AuditPage, error) {
	if err := s.call("Audit"); err != nil {
		return keystore.AuditPage{}, err
	}
	return s.Store.Audit(q)
}

// Check implements [keystore.Store].
func (s *Failing) Check(yield func(string, error)) (int, error) {
	keys, err := s.Store.Check(yield)
	if failure := s.call("Check"); failure != nil {
		return keys, failure // which it finds after it has read them all
	}
	return keys, err
}

// Backup may fail before its first byte, and after half of all.
func (s *Failing) Backup(w io.Writer) error {
	if err := s.call("Backup"); err != nil {
		return err
	}
	var whole bytes.Buffer
	if err := s.Store.Backup(&whole); err != nil {
		return err
	}
	if err := s.call("Backup"); err != nil {
		_, writeErr := w.Write(whole.Next(whole.Len() / 2))
		return errors.Join(err, writeErr)
	}
	_, err := whole.WriteTo(w)
	return err
}

// FailingMethods are the methods in which a [Failing] store may fail: those that
// the admin API calls, but for Writable, which is a warning.
func FailingMethods() []string {
	return []string{
		"Lookup", "LookupOpaque", "Get", "List", "Create", "CreateAll", "Update", "Rotate", "Delete",
		"SetWorkspaceLimits", "Usage", "LastUsed", "HeldScopes", "Audit", "Backup", "Check",
	}
}
