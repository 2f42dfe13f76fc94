package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// backend answers what gateways let through. It is a process of its own, so
// that what it uses is in no figure.
type backend struct {
	addr  string
	cmd   *exec.Cmd
	stdin io.Closer // when it closes, the process ends
}

func startBackend(ctx context.Context, binary string) (*backend, error) {
	cmd := exec.CommandContext(ctx, binary)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	b := &backend{cmd: cmd, stdin: stdin}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		b.stop()
		return nil, fmt.Errorf("the backend does not start: %w", err)
	}
	b.addr = strings.TrimSpace(line)
	return b, nil
}

func (b *backend) stop() {
	b.stdin.Close()
	_ = b.cmd.Wait() // how it ends is of no interest
}
