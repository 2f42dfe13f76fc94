//go:build soak

package plugin_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

// streamCloseDelay is how long the soak's sockets outlive a reload.
const streamCloseDelay = 10 * time.Second

// soakSite is the config of the soak: NUMBER is another at each reload. Its grace
// period outlasts any request on a machine that is slow: what it cuts off is counted.
const soakSite = `
{
	grace_period 30s
	SERVERS
	keygate {
		store bbolt ./data/keygate.db
	}
}
:{$PORT} {
	keygate {
		scope posts:read {
			GET /v1/posts
			GET /v1/slow
			GET /v1/stream
		}
		scope posts:write POST /v1/posts
		scope queue:read GET /v1/socket websocket
		public GET /v1/config/NUMBER
		auth_failures off
		OPTIONS
	}
	reverse_proxy {$BACKEND} {
		stream_close_delay 10s
		TRANSPORT
	}
}
`

// badSite is one that no config can load.
const badSite = `
https://127.0.0.1:{$PORT3} {
	tls /nowhere.pem /nowhere.key
}
`

// config returns the config of a number. All of them decide alike what the
// soak's clients send.
func (s *soak) config(number int) string {
	options := []string{"ratelimit_headers off", "scope media:upload POST /v1/media", "header X-API-Key", "cors {\nmax_age 10m\n}"}
	text := strings.NewReplacer(
		"NUMBER", fmt.Sprint(number),
		"OPTIONS", strings.Join(options[:number%(len(options)+1)], "\n"),
		"SERVERS", s.servers,
		"TRANSPORT", s.transport,
	).Replace(soakSite)
	if number%3 == 2 {
		text += secondSite
	}
	return text
}

// reloads loads another config every two seconds; every fifth is one that fails,
// which leaves the config that runs. What was answered is in force.
func (s *soak) reloads() {
	number := 0
	s.every("reloads", 2*time.Second, func() {
		number++
		config, want := s.config(number), 200
		if number%5 == 0 {
			config, want = config+badSite, 400
		}
		began := time.Now()
		resp := s.tell(http.MethodPost, "/load", config, "Content-Type: text/caddyfile")
		s.slowestReload = max(s.slowestReload, time.Since(began))
		if resp.Status != want {
			s.fault("reload %d: %d %s, want %d", number, resp.Status, resp.Body, want)
			return
		}
		if want == 200 {
			s.awaitConfig(number)
		}
	})
}

// awaitConfig waits until the config of a number serves: the servers of the one
// before may answer connections that they have accepted.
func (s *soak) awaitConfig(number int) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if s.ask(nil, "GET", fmt.Sprintf("/v1/config/%d", number), noBody).Status == 200 {
			return
		}
	}
	s.fault("config %d does not serve", number)
}

// tell sends a call to the admin endpoint until it is answered. It is for calls
// that may be sent twice.
func (s *soak) tell(method, path, body string, headers ...string) response {
	for range 20 {
		resp, err := attempt(s.t.Context(), s.g.admin, method, "http://"+s.g.Admin+path, body, headers)
		if err == nil {
			return resp
		}
		s.adminCut.Add(1)
	}
	s.fault("%s %s: no answer to twenty calls", method, path)
	return response{}
}

// createByAPI makes a key; without an answer, the ID is "".
func (s *soak) createByAPI(name string) (id, token string) {
	body := `{"workspace":"soak","name":"` + name + `","scopes":["posts:read","queue:read"]}`
	resp, err := attempt(s.t.Context(), s.g.admin, http.MethodPost, "http://"+s.g.Admin+"/keygate/keys", body, []string{"Content-Type: application/json"})
	if err != nil {
		s.adminCut.Add(1)
		return "", ""
	}
	var created struct {
		Key   key
		Token string
	}
	if err := json.Unmarshal([]byte(resp.Body), &created); err != nil || resp.Status != 201 {
		s.fault("create: %d %s", resp.Status, resp.Body)
	}
	return created.Key.ID, created.Token
}

func (s *soak) revokeByAPI(id string) bool {
	resp := s.tell(http.MethodPost, "/keygate/keys/"+id+"/revoke", "")
	if resp.Status != 200 {
		s.fault("revoke: %d %s", resp.Status, resp.Body)
	}
	return resp.Status == 200
}

// wantRevoked asks with a key whose revocation was answered.
func (s *soak) wantRevoked(token string) {
	resp := s.ask(nil, "GET", "/v1/posts", noBody, bearer(token), soakRefused+": revoked")
	if resp.Status != 401 || !strings.Contains(resp.Body, `"code":"key_revoked"`) {
		s.fault("a revoked key is answered %d %s", resp.Status, resp.Body)
	}
}

// changes changes keys every 50 ms, and asks with each key at once what became
// of it. After a call without an answer it looks which of the two it was.
func (s *soak) changes(seed uint64) *keyClient {
	c := &keyClient{name: "soak", rng: rand.New(rand.NewPCG(seed, 0))}
	s.every("changes of keys", 50*time.Millisecond, func() {
		do := c.choose(true)
		began := time.Now()
		err := c.send(s.t.Context(), s.t, s.g, do)
		s.slowestChange = max(s.slowestChange, time.Since(began))
		switch {
		case err != nil && c.inFlight == nil:
			s.fault("%v", err)
			return
		case err != nil:
			s.adminCut.Add(1)
			s.unknown.Add(1)
			c.settle(s.t, s.records())
		}
		if do.key != nil {
			s.check(c, do.key)
		}
	})
	return c
}

// check asks with a key until there is an answer, which the model judges.
func (s *soak) check(c *keyClient, h *held) {
	for range 20 {
		if h.check(s.t.Context(), s.t, s.g) == nil {
			return
		}
		s.cut.Add(1)
	}
	s.fault("%s: no answer to twenty requests", c.name)
}

// records reads all keys, over calls that may be cut.
func (s *soak) records() map[string]record {
	found := make(map[string]record)
	for cursor := ""; ; {
		var page struct {
			Keys       []record
			NextCursor string `json:"next_cursor"`
		}
		resp := s.tell(http.MethodGet, "/keygate/keys?limit=1000&cursor="+cursor, "")
		if err := json.Unmarshal([]byte(resp.Body), &page); err != nil {
			s.fault("list: %d %s", resp.Status, resp.Body)
			return found
		}
		for _, r := range page.Keys {
			found[r.id()] = plain(r)
		}
		if cursor = page.NextCursor; cursor == "" {
			return found
		}
	}
}
