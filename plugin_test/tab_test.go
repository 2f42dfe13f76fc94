//go:build browser

package plugin_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// tab is a page of a browser that a test drives, over the pipe of its DevTools
// protocol.
type tab struct {
	t       *testing.T
	in      *os.File
	out     *bufio.Reader
	session string
	calls   int
}

// openTab opens a page at an address, whose host is this machine whatever its name.
func openTab(t *testing.T, address string) *tab {
	t.Helper()
	home, err := os.MkdirTemp("", "keygate-browser-") //nolint:usetesting // Chromium may still write there when the test ends
	if err != nil {
		t.Fatal(err)
	}
	read, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions", "--no-proxy-server",
		"--ignore-certificate-errors", "--host-resolver-rules=MAP * 127.0.0.1", "--remote-debugging-pipe", "--user-data-dir="+home)
	cmd.Env = append(os.Environ(), "HOME="+home)
	cmd.ExtraFiles = []*os.File{read, write} // it reads from the first and writes to the second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read.Close()
	write.Close()
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // with the renderers
		cmd.Wait()
		in.Close()
		out.Close()
		os.RemoveAll(home)
	})
	// A browser that says nothing more is at its end.
	stuck := time.AfterFunc(4*patience, func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	t.Cleanup(func() { stuck.Stop() })

	tb := &tab{t: t, in: in, out: bufio.NewReader(out)}
	var target struct{ TargetID string }
	tb.call("Target.createTarget", map[string]any{"url": address}, &target)
	var attached struct{ SessionID string }
	tb.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	tb.session = attached.SessionID
	return tb
}

// call does one thing in the browser, and reads what comes of it.
func (tb *tab) call(method string, params, result any) {
	tb.t.Helper()
	if refused := tb.try(method, params, result); refused != "" {
		tb.t.Fatalf("%s: %s", method, refused)
	}
}

// try is call where the browser may refuse, and returns why.
func (tb *tab) try(method string, params, result any) (refused string) {
	tb.t.Helper()
	tb.calls++
	message := map[string]any{"id": tb.calls, "method": method, "params": params}
	if tb.session != "" {
		message["sessionId"] = tb.session
	}
	text, err := json.Marshal(message)
	if err != nil {
		tb.t.Fatal(err)
	}
	if _, err := tb.in.Write(append(text, 0)); err != nil {
		tb.t.Fatal(err)
	}
	for {
		text, err := tb.out.ReadBytes(0)
		if err != nil {
			tb.t.Fatalf("%s: %v", method, err)
		}
		var answer struct {
			ID     int
			Result json.RawMessage
			Error  *struct{ Message string }
		}
		if err := json.Unmarshal(text[:len(text)-1], &answer); err != nil {
			tb.t.Fatal(err)
		}
		if answer.ID != tb.calls {
			continue // an event
		}
		if answer.Error != nil {
			return answer.Error.Message
		}
		if err := json.Unmarshal(answer.Result, result); err != nil {
			tb.t.Fatal(err)
		}
		return ""
	}
}

// eval runs a script in the page, with values for each %s, and returns its value as
// text.
func (tb *tab) eval(script string, args ...any) string {
	tb.t.Helper()
	for i := range args {
		quoted, err := json.Marshal(args[i])
		if err != nil {
			tb.t.Fatal(err)
		}
		args[i] = string(quoted)
	}
	value, refused := tb.run(fmt.Sprintf(script, args...))
	if refused != "" {
		tb.t.Fatalf("%s: %s", script, refused)
	}
	return value
}

func (tb *tab) run(script string) (value, refused string) {
	tb.t.Helper()
	var result struct {
		Result           struct{ Value any }
		ExceptionDetails *struct {
			Exception struct{ Description string }
		}
	}
	refused = tb.try("Runtime.evaluate", map[string]any{"expression": script, "awaitPromise": true, "returnByValue": true, "userGesture": true, "allowUnsafeEvalBlockedByCSP": false}, &result)
	if e := result.ExceptionDetails; e != nil {
		return "exception: " + e.Exception.Description, refused
	}
	return fmt.Sprint(result.Result.Value), refused
}

// awaitText polls until a script gives a text with a part in it, and returns it. While
// one page takes the place of another, the browser may refuse to run any.
func (tb *tab) awaitText(script, part string) (text string) {
	tb.t.Helper()
	await(tb.t, "text "+part+" of "+script, func() bool {
		var refused string
		text, refused = tb.run(script)
		return refused == "" && strings.Contains(text, part)
	})
	return text
}
