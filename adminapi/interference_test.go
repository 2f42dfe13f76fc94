package adminapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/access"
	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
	"github.com/socialpatra/keygate/keystore/storetest"
)

// world is a store with its API, at a time that the test says.
type world struct {
	t     *testing.T
	store *keystore.Bolt
	calls *storetest.Failing // counts the calls to the store
	api   *Server
	now   time.Time

	names  map[string]string // IDs and tokens that were made, each with a name that does not depend on chance
	tokens map[string]string // by ID
}

func newWorld(t *testing.T) *world {
	t.Helper()
	store, err := keystore.OpenBolt(filepath.Join(t.TempDir(), "data", "keys.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	w := &world{t: t, store: store, calls: &storetest.Failing{Store: store}, now: apiStart, names: make(map[string]string), tokens: make(map[string]string)}
	w.serve(w.calls)
	return w
}

// serve makes the API on a store.
func (w *world) serve(store keystore.Store) {
	w.t.Helper()
	table, err := access.NewTable([]access.Route{{Methods: []string{"GET"}, Pattern: "/v1/posts", Scopes: access.AllOf("posts:read")}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.api = New(Options{
		Store:    store,
		Brand:    "patra",
		Mappings: []Mapping{{Policy: access.Policy{Brand: "patra", Table: table}}},
		Now:      func() time.Time { return w.now },
	})
}

// do sends a request, "PATCH /keygate/keys/ID", within an authority, or as the
// admin if there is none. It names what was made, if it is to be named.
func (w *world) do(a *Authority, request, body, name string, headers ...string) (status int, answer string) {
	w.t.Helper()
	method, target, _ := strings.Cut(request, " ")
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	if a == nil {
		w.api.ServeHTTP(rec, r)
	} else if err := w.api.Do(a, r).Send(rec); err != nil {
		w.t.Fatal(err)
	}
	var made TokenResponse
	if name != "" && json.Unmarshal(rec.Body.Bytes(), &made) == nil && made.Token != "" {
		w.names[made.Key.ID.String()] = name
		w.names[made.Token[len(made.Key.Prefix):]] = "_token of " + name
		w.tokens[made.Key.ID.String()] = made.Token
	}
	header := ""
	for _, field := range slices.Sorted(maps.Keys(rec.Header())) {
		header += fmt.Sprintf("%s: %s\n", field, rec.Header()[field])
	}
	return rec.Code, header + rec.Body.String()
}

// told returns an answer without what depends on chance: IDs, tokens, and the
// order of keys in a list.
func (w *world) told(answer string) string {
	head, body, _ := strings.Cut(answer, "{")
	body = "{" + body
	for _, text := range slices.SortedFunc(maps.Keys(w.names), func(a, b string) int { return len(b) - len(a) }) {
		body = strings.ReplaceAll(body, text, w.names[text])
	}
	var list struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if json.Unmarshal([]byte(body), &list) == nil && len(list.Keys) > 0 {
		slices.SortFunc(list.Keys, func(a, b json.RawMessage) int { return strings.Compare(string(a), string(b)) })
		body = fmt.Sprintf("%s", list.Keys)
	}
	body = regexp.MustCompile(`"keys":\["[^\]]*\]`).ReplaceAllStringFunc(body, func(list string) string {
		ids := strings.Split(strings.Trim(list, `]"keys:[`), `","`)
		slices.Sort(ids)
		return strings.Join(ids, " ")
	})
	return regexp.MustCompile(`Etag: \["[^\]]*"\]`).ReplaceAllString(head, "Etag") + body
}

// Whatever goes on in other workspaces, the answers to the calls of one are the
// same: in every status, count, number of the history, cursor and word, and in the
// work that they cost. The same
// calls are made in two worlds. In one, the workspace is alone, and foreign IDs
// and tokens are of nobody; in the other they are of keys that there are, and
// others create, change and delete keys between any two calls.
func TestAnswersTellNothingOfOtherWorkspaces(t *testing.T) {
	const rounds, calls = 8, 60
	for seed := range uint64(rounds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 20))
			alone, crowded := newWorld(t), newWorld(t)
			mine := &Authority{Workspace: "acme", Actor: "lee", Via: "console", May: Verbs(), Bounds: Bounds{Keys: 6}}
			var ids [2][]string // of the workspace, in both worlds, in the same order
			for n := range calls {
				alone.now = alone.now.Add(time.Duration(random.IntN(100)) * time.Minute)
				crowded.now = alone.now
				foreign := crowded.disturb(random, n)
				request, body, index := randomCall(random, len(ids[0]))
				name := fmt.Sprintf("<%d>", n)
				var got [2]string
				for i, w := range []*world{alone, crowded} {
					id, token := foreign.id, foreign.token
					if i == 0 {
						id, token = foreign.unknownID, foreign.unknownToken
					}
					w.names[id], w.names[token[len("patra_")+apikey.IDLen:]] = "<foreign>", "<secret>"
					if index >= 0 {
						id = ids[i][index]
						token = w.tokens[id]
					}
					fill := strings.NewReplacer("ID", id, "TOKEN", token)
					before := w.calls.N
					status, answer := w.do(mine, fill.Replace(request), fill.Replace(body), name)
					got[i] = fmt.Sprintf("%d after %d calls to the store\n%s", status, before-w.calls.N, w.told(answer))
					if status == 201 {
						for made, as := range w.names {
							if as == name {
								ids[i] = append(ids[i], made)
							}
						}
					}
				}
				if got[0] != got[1] {
					t.Fatalf("call %d, %s %s, is answered alone\n%.600s\nand among others\n%.600s", n, request, body, got[0], got[1])
				}
			}
		})
	}
}

// stranger is a key of another workspace, and one of nobody that looks the same.
type stranger struct{ id, token, unknownID, unknownToken string }

// disturb does something in other workspaces, as their members and as the admin,
// and returns a key that is there then.
func (w *world) disturb(random *rand.Rand, n int) stranger {
	w.t.Helper()
	workspace := []string{"globex", "acm", "acme2", "ACME", "acme.x"}[random.IntN(5)]
	var by *Authority
	if random.IntN(2) == 0 {
		by = &Authority{Workspace: workspace, Actor: "eve", May: Verbs()}
	}
	var s stranger
	for range 1 + random.IntN(3) {
		status, answer := w.do(by, "POST /keygate/keys", fmt.Sprintf(`{"workspace":%q,"name":"n","scopes":["posts:read"],"expires_in_days":1}`, workspace), fmt.Sprintf("<other %d>", n))
		var made TokenResponse
		if err := json.Unmarshal([]byte(answer[strings.IndexByte(answer, '{'):]), &made); err != nil || status != 201 {
			w.t.Fatal(status, answer)
		}
		s.id, s.token = made.Key.ID.String(), made.Token
		path := " /keygate/keys/" + s.id
		for _, request := range []string{"PATCH" + path, "POST" + path + "/disable", "POST" + path + "/enable", "POST" + path + "/rotate", "POST" + path + "/revoke"} {
			if random.IntN(3) == 0 {
				w.do(by, request, `{}`, fmt.Sprintf("<other %d>", n))
			}
		}
		if random.IntN(4) == 0 {
			w.do(nil, "PATCH /keygate/workspaces/"+workspace, `{"limits":{"per_day":5}}`, "")
		}
	}
	token, id, _ := apikey.Generate("patra")
	s.unknownID, s.unknownToken = id.String(), token
	return s
}

// randomCall returns a call of any verb, with ID and TOKEN for those of a key:
// one of the workspace's own, or a foreign one if index is -1.
func randomCall(random *rand.Rand, own int) (request, body string, index int) {
	index = -1
	if own > 0 && random.IntN(3) > 0 {
		index = random.IntN(own)
	}
	calls := []struct{ request, body string }{
		{"POST /keygate/keys", `{"name":"n","scopes":["posts:read"]}`},
		{"POST /keygate/keys", `{"name":"n","scopes":["posts:read"],"expires_in_days":1}`},
		{"POST /keygate/keys", `{"workspace":"globex","name":"n","scopes":["posts:read"]}`},
		{"GET /keygate/keys?limit=1000", ""},
		{"GET /keygate/keys?workspace=globex", ""},
		{"GET /keygate/keys?workspace=nobody", ""},
		{"GET /keygate/keys?status=revoked&limit=1000", ""},
		{"GET /keygate/keys?cursor=ID&workspace=globex", ""},
		{"GET /keygate/keys/ID", ""},
		{"GET /keygate/keys/patra_ID", ""},
		{"PATCH /keygate/keys/ID", `{"name":"m"}`},
		{"PATCH /keygate/keys/ID", `{"name":""}`},
		{"PATCH /keygate/keys/ID", `{"workspace":"globex"}`},
		{"PATCH /keygate/keys/ID", `{`},
		{"DELETE /keygate/keys/ID", ""},
		{"POST /keygate/keys/ID/rotate", `{"overlap":"1h"}`},
		{"POST /keygate/keys/ID/rotate", ""},
		{"POST /keygate/keys/ID/disable", ""},
		{"POST /keygate/keys/ID/enable", ""},
		{"POST /keygate/keys/ID/revoke", ""},
		{"PUT /keygate/keys/ID", ""},
		{"GET /keygate/keys/ID/usage", ""},
		{"GET /keygate/keys/ID/usage?days=x", ""},
		{"GET /keygate/audit?limit=1000", ""},
		{"GET /keygate/audit?limit=3", ""},
		{"GET /keygate/audit?limit=2&cursor=3", ""},
		{"GET /keygate/audit?key=ID", ""},
		{"GET /keygate/review?limit=1000", ""},
		{"GET /keygate/review?workspace=globex", ""},
		{"GET /keygate/review?key=ID", ""},
		{"GET /keygate/scopes", ""},
		{"GET /keygate/policy", ""},
		{"GET /keygate/workspaces", ""},
		{"GET /keygate/workspaces/globex", ""},
		{"GET /keygate/openapi.yaml", ""},
		{"GET /keygate/check", ""},
		{"GET /keygate/export", ""},
		{"POST /keygate/explain", `{"key":"ID","method":"GET","path":"/v1/posts"}`},
		{"POST /keygate/explain", `{"token":"TOKEN","method":"GET","path":"/v1/posts"}`},
	}
	c := calls[random.IntN(len(calls))]
	return c.request, c.body, index
}
