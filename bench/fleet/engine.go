package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/socialpatra/keygate/internal/redis"
)

// engine is a redis-server with an append-only file, set up as a fleet's
// should be.
type engine struct {
	addr    string
	dir     string
	process *exec.Cmd
	conn    *redis.Conn // for what the engine says of itself
}

func startEngine(ctx context.Context) (*engine, error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, fmt.Errorf("%w: install redis-server", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := listener.Addr().String()
	listener.Close()
	dir, err := os.MkdirTemp("", "keygate-fleet-")
	if err != nil {
		return nil, err
	}
	e := &engine{addr: addr, dir: dir}
	_, port, _ := net.SplitHostPort(addr)
	// It is not rewritten meanwhile: that would fall into one row or another.
	e.process = exec.Command(program,
		"--port", port, "--bind", "127.0.0.1", "--dir", dir, "--logfile", "log",
		"--save", "", "--appendonly", "yes", "--appendfsync", "everysec", "--auto-aof-rewrite-percentage", "0")
	if err := e.process.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	for deadline := time.Now().Add(10 * time.Second); ctx.Err() == nil && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if e.conn, err = dial(addr); err == nil {
			return e, nil
		}
	}
	text, _ := os.ReadFile(filepath.Join(dir, "log"))
	return nil, errors.Join(ctx.Err(), err, fmt.Errorf("redis-server does not start: %s", text), e.stop())
}

// stop ends the engine and removes its folder.
func (e *engine) stop() error {
	if e.conn != nil {
		e.conn.Close()
	}
	_ = e.process.Process.Signal(syscall.SIGKILL) // may have ended; nothing of it is kept
	_ = e.process.Wait()
	return os.RemoveAll(e.dir)
}

// dial connects with more patience than a gateway has: the machine may have
// other work, and a stall is to be seen in the figures.
func dial(addr string) (*redis.Conn, error) {
	return redis.Dial(redis.Config{Addresses: []string{addr}, Timeout: 5 * time.Second, Heartbeat: 5 * time.Second})
}

// cost is what the engine has done since its start.
type cost struct {
	cpu   time.Duration // of all its threads
	calls int64         // scripts and reads of records that it was sent
}

func (c cost) minus(d cost) cost { return cost{c.cpu - d.cpu, c.calls - d.calls} }
func (c cost) plus(d cost) cost  { return cost{c.cpu + d.cpu, c.calls + d.calls} }

// spent asks the engine for its cost. Heartbeats are among cpu but not calls,
// and neither are the commands within scripts.
func (e *engine) spent() (c cost, err error) {
	for _, section := range []string{"cpu", "commandstats"} {
		m, err := e.conn.Do(e.conn.B().Info().Section(section).Build())
		if err != nil {
			return c, err
		}
		text, err := m.ToString()
		if err != nil {
			return c, err
		}
		for line := range strings.Lines(text) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
			switch name {
			case "used_cpu_user", "used_cpu_sys":
				seconds, err := strconv.ParseFloat(value, 64)
				if err != nil {
					return c, fmt.Errorf("INFO %s: %s: %w", section, name, err)
				}
				c.cpu += time.Duration(seconds * float64(time.Second))
			case "cmdstat_evalsha", "cmdstat_eval", "cmdstat_get":
				calls, _, _ := strings.Cut(strings.TrimPrefix(value, "calls="), ",")
				n, err := strconv.ParseInt(calls, 10, 64)
				if err != nil {
					return c, fmt.Errorf("INFO %s: %s: %w", section, name, err)
				}
				c.calls += n
			}
		}
	}
	return c, nil
}
