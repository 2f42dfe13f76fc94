package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/rueidis"
)

// inspect refuses an engine that lacks what Keygate builds on, and returns what
// else is to be told of it.
func (c *Conn) inspect() (warnings []string, err error) {
	answered := false
	var away error
	for address, node := range c.client.Nodes() {
		var told []string
		ctx, cancel := context.WithTimeout(context.Background(), c.config.Timeout) // of each, for one may be dead
		err := node.Dedicated(func(conn rueidis.DedicatedClient) (err error) {
			told, err = c.inspectNode(ctx, conn)
			return err
		})
		cancel()
		if err != nil {
			err = fmt.Errorf("the engine at %s: %w", address, err)
		}
		if errors.Is(err, ErrUnavailable) { // a Cluster may lack a replica
			away = err
			continue
		}
		if err != nil {
			return nil, err
		}
		answered = true
		for _, w := range told {
			warnings = append(warnings, "the engine at "+address+" "+w)
		}
	}
	if !answered {
		return nil, away
	}
	return warnings, nil
}

func (c *Conn) inspectNode(ctx context.Context, node rueidis.DedicatedClient) (warnings []string, err error) {
	hello, err := node.Do(ctx, node.B().Arbitrary("HELLO").Build()).AsMap()
	if err != nil {
		if _, ok := rueidis.IsRedisErr(err); ok {
			return nil, fmt.Errorf("%w: it does not know HELLO", errTooOld)
		}
		return nil, c.explain(err)
	}
	version, name := hello["version"], hello["server"]
	text, _ := version.ToString()
	server, _ := name.ToString()
	major, _, _ := strings.Cut(text, ".")
	if n, err := strconv.Atoi(major); err != nil || n < 6 {
		return nil, fmt.Errorf("%w but %s %s", errTooOld, server, text)
	}
	proto := hello["proto"]
	if n, _ := proto.AsInt64(); n < 3 {
		return nil, errors.New("it does not speak RESP3, which is how it tells of changes: connect to it directly, not through a proxy")
	}
	track := node.B().Arbitrary("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX").Args(c.config.Prefix + ":k:").Build()
	if err := node.Do(ctx, track).Error(); err != nil {
		return nil, fmt.Errorf("it does not tell of changes (CLIENT TRACKING): %w", c.explain(err))
	}
	if err := node.Do(ctx, node.B().Arbitrary("CLIENT", "TRACKING", "OFF").Build()).Error(); err != nil {
		return nil, c.explain(err)
	}
	if role := hello["role"]; !isMaster(&role) {
		return nil, nil // a replica has the settings that its master will need, but is not asked
	}
	if lacking := c.lacking(ctx, node); len(lacking) > 0 {
		warnings = append(warnings, "lets its user not do all that is needed: "+LacksText(lacking))
	}
	info, err := node.Do(ctx, node.B().Info().Build()).ToString()
	if err != nil { // not every service lets its users ask
		return warnings, nil //nolint:nilerr // and what cannot be asked for cannot be warned of
	}
	return append(warnings, judge(info)...), nil
}

func isMaster(role *rueidis.RedisMessage) bool {
	text, _ := role.ToString()
	return text == "master"
}

var errTooOld = errors.New("the engine is not Redis 6 or later, nor Valkey")

// judge returns what INFO tells of settings with which keys can be lost.
func judge(info string) (warnings []string) {
	fields := fieldsOf(info)
	if fields["aof_enabled"] == "0" {
		warnings = append(warnings, "keeps no append-only file: a crash loses all changes since its last snapshot, revocations among them; set appendonly yes")
	}
	policy := fields["maxmemory_policy"]
	if strings.HasPrefix(policy, "allkeys-") && fields["maxmemory"] != "0" {
		warnings = append(warnings, "drops keys when its memory is full (maxmemory-policy "+policy+"): set noeviction")
	}
	if strings.HasPrefix(policy, "volatile-") && fields["maxmemory"] != "0" { // records have no time to live
		warnings = append(warnings, "drops the counts of limits when its memory is full (maxmemory-policy "+policy+"): set noeviction")
	}
	return warnings
}

func fieldsOf(info string) map[string]string {
	fields := make(map[string]string)
	for line := range strings.Lines(info) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			fields[name] = value
		}
	}
	return fields
}

// Evicted returns how many keys the masters have dropped since they started, as
// their memory was full. It reports false where they do not tell.
func (c *Conn) Evicted() (n int64, ok bool) {
	masters, err := c.masters()
	if err != nil {
		return 0, false
	}
	for _, node := range masters {
		ctx, cancel := context.WithTimeout(context.Background(), c.config.Timeout)
		info, err := node.Do(ctx, node.B().Info().Section("stats").Build()).ToString()
		cancel()
		if err != nil {
			return 0, false
		}
		of, err := strconv.ParseInt(fieldsOf(info)["evicted_keys"], 10, 64)
		if err != nil {
			return 0, false
		}
		n += of
	}
	return n, true
}
