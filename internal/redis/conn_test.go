//go:build fleet

package redis

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/socialpatra/keygate/internal/redis/redistest"
)

// patience is for how long a call may take that is about no fault: a machine that stops
// for seconds is none.
const patience = 10 * time.Second

func TestConn(t *testing.T) {
	server := redistest.Start(t)
	c, err := Dial(Config{Addresses: []string{server.Addr}, Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if w := c.Warnings(); len(w) != 0 {
		t.Errorf("warnings about a server with an append-only file: %q", w)
	}
	script := NewScript(`return redis.call('SET', KEYS[1], ARGV[1])`)
	for range 2 { // the second time by its name
		if m, err := c.Run(script, []string{"a"}, []string{"1"}); err != nil {
			t.Fatal(m, err)
		}
	}
	server.Do("SCRIPT", "FLUSH")
	if _, err := c.Run(script, []string{"a"}, []string{"2"}); err != nil {
		t.Errorf("after SCRIPT FLUSH: %v", err)
	}
	if _, have, err := c.RunReplicated(script, []string{"a"}, []string{"3"}, 1); err != nil || have != 0 {
		t.Errorf("without a replica %d have it, %v", have, err)
	}
	if got := server.Do("GET", "a"); got != "3" {
		t.Errorf("the scripts have stored %q", got)
	}
	var keys, args [][]string
	for n := range 300 {
		keys, args = append(keys, []string{fmt.Sprint("many", n)}), append(args, []string{fmt.Sprint(n)})
	}
	get := NewScript(`redis.call('SET', KEYS[1], ARGV[1]) return ARGV[1]`)
	for _, step := range []string{"unknown", "known", "flushed"} {
		if step == "flushed" {
			server.Do("SCRIPT", "FLUSH")
		}
		for n, reply := range c.RunAll(get, keys, args) {
			if text, err := reply.ToString(); reply.Err != nil || err != nil || text != fmt.Sprint(n) {
				t.Fatalf("%s, %d: %s, %v", step, n, text, reply.Err)
			}
		}
	}
	m, err := c.Do(c.B().Get().Key("none").Build())
	if err != nil || !m.IsNil() {
		t.Errorf("a key that is not there: %v, %v", m, err)
	}
}

func TestOutages(t *testing.T) {
	const timeout = 100 * time.Millisecond
	server := redistest.Start(t)
	var c *Conn
	redistest.Until(t, "there is a connection", func() (done bool) {
		var err error
		c, err = Dial(Config{Addresses: []string{server.Addr}, Timeout: timeout})
		return err == nil
	})
	defer c.Close()
	set := func() (err error) {
		redistest.Quickly(t, "a call", 3*timeout, func() { _, err = c.Do(c.B().Set().Key("a").Value("1").Build()) })
		return err
	}
	server.Stop()
	if err := set(); !errors.Is(err, ErrUnavailable) || !errors.Is(err, ErrUncertain) {
		t.Errorf("from a hung engine: %v", err)
	}
	server.Cont()
	redistest.Until(t, "it works again", func() bool { return set() == nil })
	server.Kill9()
	redistest.Until(t, "it knows that nothing is sent", func() bool {
		err := set()
		return errors.Is(err, ErrUnavailable) && !errors.Is(err, ErrUncertain)
	})
	server.Restart()
	redistest.Until(t, "it works again", func() bool { return set() == nil })
	server.Do("CONFIG", "SET", "min-replicas-to-write", "1")
	redistest.Until(t, "it is refused without replicas", func() bool {
		err := set()
		if err == nil {
			t.Fatal("it is written without replicas")
		}
		return errors.Is(err, ErrUnavailable) && !errors.Is(err, ErrUncertain)
	})
}

func TestDialRefused(t *testing.T) {
	const secret = "correct-horse"
	server := redistest.Start(t, "--requirepass", secret)
	for name, config := range map[string]Config{
		"no address":     {},
		"no port":        {Addresses: []string{"localhost"}},
		"prefix":         {Addresses: []string{server.Addr}, Prefix: "a:b"},
		"timeout":        {Addresses: []string{server.Addr}, Timeout: time.Millisecond},
		"no password":    {Addresses: []string{server.Addr}},
		"wrong password": {Addresses: []string{server.Addr}, Password: secret + "2"},
		"wrong user":     {Addresses: []string{server.Addr}, Username: "nobody", Password: secret},
		"nobody there":   {Addresses: []string{"127.0.0.1:1"}, Password: secret},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := Dial(config)
			if err == nil {
				c.Close()
				t.Fatal("was accepted")
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error shows the password: %v", err)
			}
		})
	}
	c, err := Dial(Config{Addresses: []string{server.Addr}, Password: secret, Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func TestWarnings(t *testing.T) {
	server := redistest.Start(t, "--appendonly", "no", "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
	c, err := Dial(Config{Addresses: []string{server.Addr}, Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if w := strings.Join(c.Warnings(), "\n"); !strings.Contains(w, "append-only") || !strings.Contains(w, "allkeys-lru") {
		t.Errorf("warnings: %q", w)
	}
	for policy, warned := range map[string]bool{"volatile-ttl": true, "volatile-lru": true, "noeviction": false} {
		server.Do("CONFIG", "SET", "maxmemory-policy", policy)
		c, err := Dial(Config{Addresses: []string{server.Addr}, Timeout: patience})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if w := strings.Join(c.Warnings(), "\n"); strings.Contains(w, "memory is full") != warned {
			t.Errorf("%s: warnings: %q", policy, w)
		}
	}
}
