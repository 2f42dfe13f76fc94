//go:build !unix

package redistest

// Stop fails the test: no process can be made to hang here.
func (s *Server) Stop() { s.t.Fatal("a server cannot be stopped on this system") }

// Cont fails the test, as Stop does.
func (s *Server) Cont() { s.t.Fatal("a server cannot be stopped on this system") }
