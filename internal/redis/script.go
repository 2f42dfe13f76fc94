package redis

import (
	"context"
	"crypto/sha1" //nolint:gosec // it is how the engine names scripts, and proves nothing
	"encoding/hex"
	"errors"
	"time"

	"github.com/redis/rueidis"
)

// Script is a Lua script. It has to be correct to run it twice only where its
// caller repeats it: a Conn never does.
type Script struct {
	text, name string
}

// NewScript returns a script. All keys that it uses have to be given to Run, and
// share a slot.
func NewScript(text string) *Script {
	sum := sha1.Sum([]byte(text)) //nolint:gosec // see above
	return &Script{text, hex.EncodeToString(sum[:])}
}

// byName is the call of a script that the engine may not know.
func (s *Script) byName(b rueidis.Builder, keys, args []string) rueidis.Completed {
	return b.Evalsha().Sha1(s.name).Numkeys(int64(len(keys))).Key(keys...).Arg(args...).Build()
}

// byText is the same call with the script itself.
func (s *Script) byText(b rueidis.Builder, keys, args []string) rueidis.Completed {
	return b.Eval().Script(s.text).Numkeys(int64(len(keys))).Key(keys...).Arg(args...).Build()
}

// Run runs a script. The engine gets its text only where it does not know it.
func (c *Conn) Run(s *Script, keys, args []string) (rueidis.RedisMessage, error) {
	if err := c.Away(); err != nil {
		return rueidis.RedisMessage{}, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.config.Timeout)
	defer cancel()
	return c.run(ctx, c.client, s, keys, args)
}

func (c *Conn) run(ctx context.Context, client rueidis.CommandClient, s *Script, keys, args []string) (rueidis.RedisMessage, error) {
	m, err := c.message(client.Do(ctx, s.byName(client.B(), keys, args)))
	if !errors.Is(err, errNoScript) {
		return m, err
	}
	return c.message(client.Do(ctx, s.byText(client.B(), keys, args)))
}

// RunReplicated runs a script, and then waits until so many replicas have what
// it wrote, or what is left of Timeout has passed. It returns how many have it;
// an error of the waiting alone counts as none. The keys must not be empty.
func (c *Conn) RunReplicated(s *Script, keys, args []string, replicas int) (m rueidis.RedisMessage, have int, err error) {
	if replicas == 0 {
		m, err = c.Run(s, keys, args)
		return m, 0, err
	}
	if err := c.Away(); err != nil {
		return m, 0, err
	}
	deadline := time.Now().Add(c.config.Timeout)
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	// WAIT is about the writes of its own connection, and holds up all others on it.
	err = c.client.Dedicated(func(conn rueidis.DedicatedClient) error {
		if m, err = c.run(ctx, conn, s, keys, args); err != nil {
			return err
		}
		left := max(1, time.Until(deadline).Milliseconds()*3/4) // the answer has to come in time, too; 0 is for ever
		n, waiting := conn.Do(ctx, conn.B().Wait().Numreplicas(int64(replicas)).Timeout(left).Build()).AsInt64()
		if waiting == nil {
			have = int(n)
		}
		return nil
	})
	return m, have, err
}

// RunAll runs a script for each of several lists of keys and arguments, without
// waiting for one before the next is sent.
func (c *Conn) RunAll(s *Script, keys, args [][]string) []Reply {
	ctx, cancel := context.WithTimeout(context.Background(), c.config.Timeout)
	defer cancel()
	cmds := make([]rueidis.Completed, len(keys))
	for i := range keys {
		cmds[i] = s.byName(c.B(), keys[i], args[i])
	}
	replies := c.doMulti(ctx, c.client, cmds)
	var unknown []int
	var texts []rueidis.Completed
	for i := range replies {
		if errors.Is(replies[i].Err, errNoScript) {
			unknown = append(unknown, i)
			texts = append(texts, s.byText(c.B(), keys[i], args[i]))
		}
	}
	for i, reply := range c.doMulti(ctx, c.client, texts) {
		replies[unknown[i]] = reply
	}
	return replies
}
