//go:build unix

package redistest

import (
	"os"
	"syscall"
)

// Stop makes the server hang, with SIGSTOP.
func (s *Server) Stop() { s.signal(syscall.SIGSTOP) }

// Cont lets a hung server go on.
func (s *Server) Cont() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig os.Signal) {
	s.t.Helper()
	if err := s.process.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}
