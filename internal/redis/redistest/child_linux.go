package redistest

import "syscall"

// childAttr ends a server with its test, also where that is killed.
func childAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
