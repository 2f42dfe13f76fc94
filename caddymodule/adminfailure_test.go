package caddymodule

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// failingStore fails in one method.
type failingStore struct {
	keystore.Store
	method string
	err    error
	failed bool
}

func (s *failingStore) in(method string) error {
	if s.method != method {
		return nil
	}
	s.failed = true
	return s.err
}

func (s *failingStore) Lookup(id apikey.ID) (apikey.Grant, bool, error) {
	if err := s.in("Lookup"); err != nil {
		return apikey.Grant{}, false, err
	}
	return s.Store.Lookup(id)
}

func (s *failingStore) LookupOpaque(hash apikey.Hash) (apikey.ID, apikey.Grant, bool, error) {
	if err := s.in("LookupOpaque"); err != nil {
		return apikey.ID{}, apikey.Grant{}, false, err
	}
	return s.Store.LookupOpaque(hash)
}

func (s *failingStore) Get(id apikey.ID) (apikey.Key, error) {
	if err := s.in("Get"); err != nil {
		return apikey.Key{}, err
	}
	return s.Store.Get(id)
}

func (s *failingStore) List(q keystore.Query) (keystore.Page, error) {
	if err := s.in("List"); err != nil {
		return keystore.Page{}, err
	}
	return s.Store.List(q)
}

func (s *failingStore) Create(apikey.Key, keystore.Actor) error { return s.in("Create") }

func (s *failingStore) CreateAll([]apikey.Key, keystore.Actor, func(int)) error {
	return s.in("CreateAll")
}

func (s *failingStore) Update(id apikey.ID, action string, by keystore.Actor, edit func(*apikey.Key) error) (apikey.Key, error) {
	if err := s.in("Update"); err != nil {
		return apikey.Key{}, err
	}
	return s.Store.Update(id, action, by, edit)
}

func (s *failingStore) Rotate(id apikey.ID, by keystore.Actor, edit func(old, next *apikey.Key) error) (apikey.Key, error) {
	if err := s.in("Rotate"); err != nil {
		return apikey.Key{}, err
	}
	return s.Store.Rotate(id, by, edit)
}

func (s *failingStore) Delete(apikey.ID, keystore.Actor, func(*apikey.Key) error) error {
	return s.in("Delete")
}

func (s *failingStore) SetWorkspaceLimits(string, *apikey.WorkspaceLimits, keystore.Actor) error {
	return s.in("SetWorkspaceLimits")
}

func (s *failingStore) Usage(apikey.ID, apikey.Day, apikey.Day) ([]apikey.Usage, error) {
	return nil, s.in("Usage")
}

func (s *failingStore) LastUsed(apikey.ID) (time.Time, error) { return time.Time{}, s.in("LastUsed") }

func (s *failingStore) HeldScopes(int) ([]keystore.HeldScope, error) { return nil, s.in("HeldScopes") }

func (s *failingStore) Audit(keystore.AuditQuery) (keystore.AuditPage, error) {
	return keystore.AuditPage{}, s.in("Audit")
}

func (s *failingStore) Backup(w io.Writer) error {
	if err := s.in("Backup"); err != nil {
		return err
	}
	return s.Store.Backup(w)
}

func (s *failingStore) Check(func(string, error)) (int, error) { return 0, s.in("Check") }

// failingMethods are those of the methods of a store that the admin API calls
// and that can fail; Writable is a warning.
var failingMethods = []string{
	"Lookup", "LookupOpaque", "Get", "List", "Create", "CreateAll", "Update", "Rotate", "Delete",
	"SetWorkspaceLimits", "Usage", "LastUsed", "HeldScopes", "Audit", "Backup", "Check",
}

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

func countedFailures(t *testing.T) float64 {
	t.Helper()
	var m dto.Metric
	if err := metrics.storeErrors.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetCounter().GetValue()
}

// What a store cannot do is 503 and counted as its failure. What nobody has
// foreseen is a fault of the program: 500, and no failure of the store.
func TestAPITellsFailuresFromFaults(t *testing.T) {
	fault := errors.New("index out of range")
	for _, method := range failingMethods {
		t.Run(method, func(t *testing.T) {
			reached := make(map[string]bool) // resources, by the first failure
			s := serveAPI(t)
			for _, failure := range append([]error{fault, fmt.Errorf("key X: %w", fault)}, storeFailures...) {
				s.failing = nil
				id, _, _ := s.create()
				store := &failingStore{Store: s.store, method: method, err: failure}
				s.failing = store
				bodies := fullBodies(id)
				for _, operation := range servedOperations(id) {
					body := bodies[operation].body
					if strings.HasSuffix(operation, "/import") {
						body = opaqueLine("x")
					}
					resource := strings.Replace(operation, id, "{id}", 1)
					if !errors.Is(failure, fault) && !reached[resource] {
						continue
					}
					store.failed = false
					before := countedFailures(t)
					got := s.send(operation, body)
					counted := countedFailures(t) - before
					isFault := errors.Is(failure, fault)
					switch {
					case method == "Get" && errors.Is(failure, keystore.ErrDamaged) && strings.HasSuffix(operation, "/import"):
						got.want(t, 409) // a damaged key is there as well
					case !store.failed:
						if got.status >= 500 || counted != 0 {
							t.Errorf("%s: %d, counted %v, without a failure: %s", operation, got.status, counted, got.body)
						}
						continue
					case isFault && (got.status != http.StatusInternalServerError || counted != 0):
						t.Errorf("%s with %q: %d, counted %v; want 500, not counted", operation, failure, got.status, counted)
					case !isFault && (got.status != http.StatusServiceUnavailable || counted != 1):
						t.Errorf("%s with %q: %d, counted %v; want 503, counted", operation, failure, got.status, counted)
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
	before := countedFailures(t)
	line := opaqueLine("x")
	for name, sent := range map[string]string{
		"chunk":  "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"nam\r\nXXX\r\n",
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
	if counted := countedFailures(t) - before; counted != 0 {
		t.Errorf("%v failures of the store are counted", counted)
	}
	s.send("GET /keygate/keys", "").want(t, 200, `"keys":[]`)
}
