package command

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/socialpatra/keygate/adminapi"
	"github.com/socialpatra/keygate/internal/apitest"
	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/keystore/storetest"
)

// Where the call of a command is cut off.
const (
	nowhere    = ""
	unaccepted = "nobody read it" // as when a listener is closed
	headRead   = "its head was read"
	bodyRead   = "it was read"
	answerLost = "it was done"
	always     = "nobody reads any"
)

// cutter stands between commands and an admin API, and cuts the first call that
// it is told to.
type cutter struct {
	address string // for the commands
	server  string // of the API

	mu     sync.Mutex
	where  string
	change bool // cut the first call that is none to read, instead of the first
	cuts   int  // how many calls were cut
	calls  int  // how many came, of those that are to be cut
}

func startCutter(t *testing.T, server string) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	c := &cutter{address: l.Addr().String(), server: server}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go c.serve(conn.(*net.TCPConn))
		}
	}()
	return c
}

func (c *cutter) begin(where string, change bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.where, c.change, c.cuts, c.calls = where, change, 0, 0
}

// due says where the call must be cut; "": nowhere.
func (c *cutter) due(r *http.Request) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.change && !changes(r) {
		return ""
	}
	if c.calls++; c.where == nowhere || c.cuts > 0 && c.where != always {
		return ""
	}
	c.cuts++
	return c.where
}

func (c *cutter) count() (cuts, calls int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cuts, c.calls
}

func changes(r *http.Request) bool {
	return r.Method != http.MethodGet && r.URL.Path != adminapi.ExplainPath
}

// serve hands on one call after the other, and answers with what the API says.
// When it is cut off, the connection is reset.
func (c *cutter) serve(conn *net.TCPConn) {
	defer conn.Close()
	conn.SetLinger(0)
	in := bufio.NewReader(conn)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		where := c.due(r)
		if where == unaccepted || where == headRead || where == always {
			return
		}
		if r.Header.Get("Expect") != "" {
			io.WriteString(conn, "HTTP/1.1 100 Continue\r\n\r\n")
		}
		body, err := io.ReadAll(r.Body)
		if err != nil || where == bodyRead {
			return
		}
		out, err := http.NewRequest(r.Method, "http://"+c.server+r.URL.String(), strings.NewReader(string(body)))
		if err != nil {
			return
		}
		out.Header = r.Header
		out.Header.Del("Expect")
		resp, err := http.DefaultTransport.RoundTrip(out)
		if err != nil {
			return
		}
		answer, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if where == answerLost {
			return
		}
		resp.Body, resp.ContentLength, resp.TransferEncoding = io.NopCloser(strings.NewReader(string(answer))), int64(len(answer)), nil
		if resp.Write(conn) != nil {
			return
		}
	}
}

// changesSoFar returns the number of the last entry of the audit trail.
func changesSoFar(t *testing.T, store keystore.Store) uint64 {
	t.Helper()
	page, err := store.Audit(keystore.AuditQuery{Limit: 1})
	if err != nil || len(page.Entries) != 1 {
		t.Fatalf("%d entries, %v", len(page.Entries), err)
	}
	return page.Entries[0].Seq
}

// anyKey is a key's ID, prefix or token, which are new each time.
var anyKey = regexp.MustCompile(`(patra_)?[0-9A-Za-z]{12}(_[0-9A-Za-z]{38})?`)

// What a command says of a call that was cut off, it knows. It is done as if
// nothing had been, where sending it again is safe: for all that only reads, for
// what changes nothing the second time, and for what was not made for certain. All
// else it sends once, and says that the outcome is unknown.
func TestCommandCutOff(t *testing.T) {
	f := apitest.NewFailures(t, func(f *apitest.Failures) http.Handler {
		return adminapi.New(adminapi.Options{Store: f.Store, Brand: "patra", Now: func() time.Time { return cliNow }})
	})
	c := startCutter(t, strings.TrimPrefix(f.URL, "http://"))
	t.Chdir(t.TempDir())
	if err := os.WriteFile("LINES", []byte(apitest.OpaqueLine("x")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	store := f.Open()
	defer func() { store.Close() }()
	for name, runs := range failingRuns {
		for _, typed := range runs {
			if strings.HasSuffix(typed, "--json") || strings.HasSuffix(typed, "-q") {
				continue // what is printed is no matter here
			}
			sets := strings.Contains(typed, "--per-day")
			resets := strings.Contains(typed, "--reset") // what is not set
			changing := !slices.Contains(onlyRead, name) && (name != "workspace" || sets || resets)
			stateOnly := slices.Contains([]string{"disable", "enable", "revoke"}, name) // no change the second time
			withBody := sets || slices.Contains([]string{"create", "update", "rotate", "leaked"}, name)
			stdin, args, found := strings.Cut(typed, "|")
			if !found {
				stdin, args = "", typed
			}
			line := append(append([]string{name}, strings.Fields(args)...), "--address", c.address)

			run := func(where string) (o outcome, made uint64) {
				if changing { // a fresh one: what only reads leaves it as it is
					store.Close()
					store = f.Open()
				}
				before := changesSoFar(t, store)
				f.Store = &storetest.Failing{Store: store}
				os.Remove("FILE")
				c.begin(where, changing)
				o = person{types: stdin}.run(line...)
				return o, changesSoFar(t, store) - before
			}
			whole, wholeMade := run(nowhere)
			if cuts, _ := c.count(); whole.failed || cuts > 0 || (wholeMade > 0) != (changing && !resets) {
				t.Errorf("%s: without a cut %+.300v, with %d changes", line, whole, wholeMade)
			}
			for _, where := range []string{unaccepted, headRead, bodyRead, answerLost} {
				t.Run(strings.Join([]string{name, typed, where}, ", "), func(t *testing.T) {
					o, made := run(where)
					cuts, calls := c.count()
					said := fmt.Sprintf("%d of %d calls were cut off: %+.300v, with %d changes", cuts, calls, o, made)
					if !changing || stateOnly || withBody && (where == unaccepted || where == headRead) {
						if o.failed || cuts != 1 || made != wholeMade || name != "backup" && o.stdout != whole.stdout && anyKey.ReplaceAllString(o.stdout, "") != anyKey.ReplaceAllString(whole.stdout, "") {
							t.Error(said)
						}
					} else if wantRefusal(t, o, "the change may have been made nevertheless"); calls != 1 || made > 0 && where != answerLost {
						t.Error(said)
					}
				})
			}
			t.Run(name+" "+typed+", each time", func(t *testing.T) {
				o, made := run(always)
				cuts, _ := c.count()
				most, unknown := 2, changing && !withBody
				if unknown && !stateOnly {
					most = 1
				}
				if !o.failed || cuts != most || made > 0 || unknown != strings.Contains(o.stderr, "may have been made") ||
					(changing && withBody) != strings.Contains(o.stderr, "nothing was changed") {
					t.Errorf("%d calls were cut off: %+.300v, with %d changes", cuts, o, made)
				}
			})
		}
	}
}
