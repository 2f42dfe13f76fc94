//go:build fleet

package redis

import (
	"testing"

	"github.com/socialpatra/keygate/internal/redis/redistest"
)

// TestSentinelPassword has a sentinel with a user of its own.
func TestSentinelPassword(t *testing.T) {
	set := redistest.StartSet(t, 1, 1)
	set.Sentinels[0].Do("ACL", "SETUSER", "watcher", "on", ">correct-horse", "allchannels", "+@all")
	set.Sentinels[0].Do("ACL", "SETUSER", "default", "off")
	config := Config{Addresses: set.Addrs(), Master: set.Name, Timeout: patience}
	if c, err := Dial(config); err == nil {
		c.Close()
		t.Error("a sentinel with a password was asked without one")
	}
	config.SentinelUsername, config.SentinelPassword = "watcher", "correct-horse"
	c, err := Dial(config)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Do(c.B().Set().Key("a").Value("1").Build()); err != nil {
		t.Error(err)
	}
}
