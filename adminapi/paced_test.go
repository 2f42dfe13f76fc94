package adminapi

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

// paced serves much more than the buffers of a connection hold.
func paced(t *testing.T, stalled time.Duration, slowest int64) (addr string, ended chan error) {
	t.Helper()
	ended = make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		out := newPacedWriter(w, stalled, slowest)
		piece := make([]byte, 64<<10)
		for range 1 << 12 {
			if _, err := out.Write(piece); err != nil {
				ended <- err
				return
			}
		}
		ended <- nil
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String(), ended
}

func wantEnd(t *testing.T, ended chan error) {
	t.Helper()
	select {
	case err := <-ended:
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the stream ended with %v", err)
		}
	case <-time.After(90 * time.Second):
		t.Error("the stream waits for a client that does not read")
	}
}

// A client that stops reading, or that reads a byte now and then, ends what is
// sent to it; one that reads gets all of it.
func TestPacedWriter(t *testing.T) {
	dial := func(t *testing.T, addr string) net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		return conn
	}
	t.Run("stops", func(t *testing.T) {
		addr, ended := paced(t, 50*time.Millisecond, 1)
		dial(t, addr)
		wantEnd(t, ended)
	})
	t.Run("is slow", func(t *testing.T) {
		addr, ended := paced(t, 3*time.Second, 1<<40)
		conn := dial(t, addr)
		go func() {
			for piece := make([]byte, 64<<10); ; {
				if _, err := conn.Read(piece); err != nil {
					return
				}
				<-time.After(10 * time.Millisecond) // a slow line, of which no window is full for long
			}
		}()
		wantEnd(t, ended)
	})
	t.Run("reads", func(t *testing.T) {
		addr, ended := paced(t, time.Hour, 1)
		resp, err := http.Get("http://" + addr)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if n, err := io.Copy(io.Discard, resp.Body); err != nil || n != 256<<20 {
			t.Errorf("read %d bytes, %v", n, err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// A stream leaves no deadline to the next request on its connection.
func TestStreamLeavesNoDeadline(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w = &deadlines{ResponseWriter: w}
		err := stream{"text/plain", "x", func(w io.Writer) error { _, err := io.WriteString(w, "whole"); return err }}.serve(w)
		if last := w.(*deadlines).last; err != nil || len(last) != 2 || last[0].IsZero() || !last[1].IsZero() {
			t.Errorf("%v, with the deadlines %v", err, last)
		}
	}))
	defer server.Close()
	resp, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if line, err := bufio.NewReader(resp.Body).ReadString('\n'); !errors.Is(err, io.EOF) || !strings.HasPrefix(line, "whole") {
		t.Errorf("read %q, %v", line, err)
	}
}

// deadlines records those that are set.
type deadlines struct {
	http.ResponseWriter
	last []time.Time
}

func (d *deadlines) SetWriteDeadline(at time.Time) error {
	d.last = append(d.last, at)
	return nil
}
