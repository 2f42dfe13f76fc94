package redis

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"

	"github.com/redis/rueidis"
)

// permission is a command that Keygate uses, with arguments that change nothing
// where a string is under the key. "KEY" stands for that.
type permission struct {
	name string
	args []string
}

// permissions are all that are used of the commands on keys. An engine says that
// one is missing before it looks at anything else.
var permissions = []permission{
	{"set", []string{"KEY", "", "PX", "10000"}}, // first, for the others
	{"get", []string{"KEY"}},
	{"exists", []string{"KEY"}},
	{"pexpire", []string{"KEY", "10000"}},
	{"hget", []string{"KEY", "f"}},
	{"hmget", []string{"KEY", "f"}},
	{"hset", []string{"KEY", "f", ""}},
	{"hsetnx", []string{"KEY", "f", ""}},
	{"hdel", []string{"KEY", "f"}},
	{"hgetall", []string{"KEY"}},
	{"hexists", []string{"KEY", "f"}},
	{"hlen", []string{"KEY"}},
	{"hincrby", []string{"KEY", "f", "0"}},
	{"hscan", []string{"KEY", "0"}},
	{"zadd", []string{"KEY", "0", "m"}},
	{"zrem", []string{"KEY", "m"}},
	{"zscore", []string{"KEY", "m"}},
	{"zcard", []string{"KEY"}},
	{"zcount", []string{"KEY", "0", "0"}},
	{"zscan", []string{"KEY", "0"}},
	{"zrange", []string{"KEY", "0", "0"}},
	{"zrangebylex", []string{"KEY", "-", "+"}},
	{"zrangebyscore", []string{"KEY", "0", "0"}},
	{"zrevrangebylex", []string{"KEY", "+", "-"}},
	{"zrevrangebyscore", []string{"KEY", "0", "0"}},
	{"zremrangebyscore", []string{"KEY", "0", "0"}},
	{"eval", []string{"return 1", "1", "KEY"}},
	{"evalsha", []string{"0000000000000000000000000000000000000000", "1", "KEY"}},
	{"scan", []string{"0", "MATCH", "KEY"}},
	{"time", nil},
	{"del", []string{"KEY"}}, // last, for nothing is to stay
}

// otherPermissions are those of the connection, and of engines that are several.
var otherPermissions = []string{
	"hello", "ping", "role", "info", "wait", "client|setname", "client|tracking", "cluster|slots", "cluster|shards", "asking",
	"discard", "unsubscribe", "punsubscribe", "sunsubscribe",
}

// Permissions are the commands that the engine's user needs, as in its ACL.
func Permissions() []string {
	names := slices.Clone(otherPermissions)
	for _, p := range permissions {
		names = append(names, p.name)
	}
	return names
}

// Lacking returns the permissions that the engine's user lacks, as they are
// written in an ACL: commands, and patterns of keys. A node that does not answer
// is left out.
func (c *Conn) Lacking() []string {
	var lacking []string
	for _, node := range c.client.Nodes() {
		ctx, cancel := context.WithTimeout(context.Background(), c.config.Timeout)
		for _, name := range c.lacking(ctx, node) {
			if !slices.Contains(lacking, name) {
				lacking = append(lacking, name)
			}
		}
		cancel()
	}
	slices.Sort(lacking)
	return lacking
}

func (c *Conn) lacking(ctx context.Context, node rueidis.CommandClient) (names []string) {
	admin, key := "{"+c.config.Prefix+"}:", c.config.Prefix+":k:{probe}"
	own := admin + "probe:" + rand.Text() // others ask as well
	probe := func(p *permission) rueidis.Completed {
		cmd := node.B().Arbitrary(strings.ToUpper(p.name))
		for _, arg := range p.args {
			if arg == "KEY" {
				cmd = cmd.Keys(own)
			} else {
				cmd = cmd.Args(arg)
			}
		}
		return cmd.Build()
	}
	// Where there is no string under the key, the rest would write.
	if err := node.Do(ctx, probe(&permissions[0])).Error(); err != nil {
		reply, ok := rueidis.IsRedisErr(err)
		switch {
		case !ok:
			return nil
		case strings.HasPrefix(reply.Error(), "NOPERM"):
			return []string{lackedIn(reply.Error(), "set", "~"+admin+"*")}
		case !strings.HasPrefix(reply.Error(), "MOVED"), !c.Cluster():
			return nil // it takes no writes now
		}
	}
	cmds := []rueidis.Completed{node.B().Arbitrary("GET").Keys(key).Build()}
	for i := range permissions[1:] {
		cmds = append(cmds, probe(&permissions[1+i]))
	}
	for i, result := range node.DoMulti(ctx, cmds...) {
		reply, ok := rueidis.IsRedisErr(result.Error())
		if !ok || !strings.HasPrefix(reply.Error(), "NOPERM") {
			continue
		}
		if i == 0 {
			names = append(names, lackedIn(reply.Error(), "get", "~"+c.config.Prefix+":*"))
			continue
		}
		names = append(names, lackedIn(reply.Error(), permissions[i].name, "~"+admin+"*"))
	}
	return names
}

// lackedIn says what a refusal is about: a command or its keys.
func lackedIn(text, command, pattern string) string {
	if strings.Contains(text, " key") {
		return pattern
	}
	return "+" + command
}

// LacksText says what to do about permissions that are missing.
func LacksText(lacking []string) string {
	return "add " + strings.Join(lacking, " ") + " to its permissions (ACL SETUSER)"
}
