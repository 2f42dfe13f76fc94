package adminapi

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/socialpatra/keygate/internal/apitest"
	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/keystore/storetest"
)

// storeFailures are what a store says of itself, as it says it.
var storeFailures = []error{
	keystore.ErrClosed,
	fmt.Errorf("the record of key X: %w: its checksum does not match", keystore.ErrDamaged),
	fmt.Errorf("%w (format 9)", keystore.ErrNewer),
	keystore.ErrInUse,
	fmt.Errorf("%w: disk full", keystore.ErrNotWritten),
	fmt.Errorf("%w: input/output error", keystore.ErrUnknownOutcome),
	fmt.Errorf("%w: a change failed", keystore.ErrReadOnly),
	fmt.Errorf("reading: %w", keystore.Unavailable(errors.New("input/output error"))),
}

// What a store cannot do is 503 and counted as its failure. What nobody has
// foreseen is a fault of the program: 500, and no failure of the store.
func TestAPITellsFailuresFromFaults(t *testing.T) {
	fault := errors.New("index out of range")
	for _, method := range storetest.FailingMethods() {
		t.Run(method, func(t *testing.T) {
			reached := make(map[string]bool) // resources, by the first failure
			s := serveAPI(t)
			for _, failure := range append([]error{fault, fmt.Errorf("key X: %w", fault)}, storeFailures...) {
				s.failing = nil
				id, _, _ := s.create()
				store := &storetest.Failing{Store: s.store, Method: method, Err: failure}
				s.failing = store
				bodies := fullBodies(id)
				operations := servedOperations(id)
				slices.Reverse(operations) // DELETE comes last, for what all others need the key
				for _, operation := range operations {
					body := bodies[operation].body
					if strings.HasSuffix(operation, "/import") {
						body = apitest.OpaqueLine("x")
					}
					resource := strings.Replace(operation, id, "{id}", 1)
					if !errors.Is(failure, fault) && !reached[resource] {
						continue
					}
					store.Failed = ""
					before := s.failures.Load()
					got := s.send(operation, body)
					counted := s.failures.Load() - before
					isFault := errors.Is(failure, fault)
					switch {
					case method == "Get" && errors.Is(failure, keystore.ErrDamaged) && strings.HasSuffix(operation, "/import"):
						got.want(t, 409) // a damaged key is there as well
					case method == "Get" && strings.HasSuffix(operation, "/explain"):
						got.want(t, 200) // says less of a revoked key
						continue
					case store.Failed == "":
						if got.status >= 500 || counted != 0 {
							t.Errorf("%s: %d, counted %d, without a failure: %s", operation, got.status, counted, got.body)
						}
						continue
					case isFault && (got.status != http.StatusInternalServerError || counted != 0):
						t.Errorf("%s with %q: %d, counted %d; want 500, not counted", operation, failure, got.status, counted)
					case !isFault && (got.status != http.StatusServiceUnavailable || counted != 1):
						t.Errorf("%s with %q: %d, counted %d; want 503, counted", operation, failure, got.status, counted)
					}
					reached[resource] = true
				}
			}
			if len(reached) == 0 {
				t.Error("no operation calls it")
			}
		})
	}
}

// A body that breaks off is the client's, not the store's.
func TestAPIImportThatBreaksOff(t *testing.T) {
	s := serveAPI(t)
	before := s.failures.Load()
	line := apitest.OpaqueLine("x")
	for name, sent := range map[string]string{
		"chunk":  "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"nam\r\nzzz\r\n",
		"length": fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(line)+100, line),
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprintf(conn, "POST /keygate/import HTTP/1.1\r\nHost: x\r\nContent-Type: application/jsonl\r\n%s", sent)
			if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), "broke off") {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
		})
	}
	if counted := s.failures.Load() - before; counted != 0 {
		t.Errorf("%d failures of the store are counted", counted)
	}
	s.send("GET /keygate/keys", "").want(t, 200, `"keys":[]`)
}
