package shared

import (
	"fmt"
	"strconv"

	"github.com/redis/rueidis"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/redis"
	"github.com/socialpatra/keygate/ratelimit"

	_ "embed"
)

//go:embed take.lua
var takeSource string

// engine asks the engine for the limits of keys and workspaces.
type engine struct {
	conn *redis.Conn
	take *redis.Script
}

// reply is the engine's answer to one request.
type reply struct {
	account // after the request was charged

	passes bool
	lent   int64 // units charged beyond the request
}

// charge asks for a request, and to lend at most so many units more.
func (e *engine) charge(id apikey.ID, caps *ratelimit.Caps, cost, lend int) (reply, error) {
	return e.run(id, caps, cost, lend, "1")
}

// look returns what charge would, but charges nothing.
func (e *engine) look(id apikey.ID, caps *ratelimit.Caps, cost int) (reply, error) {
	return e.run(id, caps, cost, 0, "0")
}

func (e *engine) run(id apikey.ID, caps *ratelimit.Caps, cost, lend int, write string) (reply, error) {
	r := reply{account: account{key: held{lim: caps.Limits}, workspace: held{lim: caps.WorkspaceLimits.Limits()}}}
	// The workspace is the hash tag, so that both are in one slot of a Cluster.
	keys := append(make([]string, 0, 2), e.conn.Prefix()+":l:{"+caps.Workspace+"}:"+caps.AccountOf(id).String())
	args := append(make([]string, 0, 9), strconv.Itoa(cost), strconv.Itoa(lend), write)
	args = appendLimits(args, caps.Limits)
	if !caps.WorkspaceLimits.IsZero() {
		keys = append(keys, e.conn.Prefix()+":lw:{"+caps.Workspace+"}")
		args = appendLimits(args, r.workspace.lim)
	}
	m, err := e.conn.Run(e.take, keys, args)
	if err != nil {
		return r, fmt.Errorf("asking for the limits of key %s: %w", id, err)
	}
	if err := r.parse(m); err != nil {
		return r, fmt.Errorf("asking for the limits of key %s: %w", id, err)
	}
	return r, nil
}

func appendLimits(args []string, lim apikey.Limits) []string {
	for _, n := range [...]uint32{lim.PerMinute, lim.Burst, lim.PerDay} {
		args = append(args, strconv.FormatUint(uint64(n), 10))
	}
	return args
}

func (r *reply) parse(m rueidis.RedisMessage) error {
	n, err := m.AsIntSlice()
	if err != nil {
		return fmt.Errorf("reading the engine's answer: %w", err)
	}
	want := 6
	if r.workspace.lim != (apikey.Limits{}) {
		want = 9
	}
	if len(n) != want {
		return fmt.Errorf("the engine answered with %d numbers, want %d", len(n), want)
	}
	r.passes, r.lent, r.micros = n[0] == 1, n[1], n[2]
	r.key.parts, r.key.used, r.key.nextDay = n[3], n[4], n[5]
	if want == 9 {
		r.workspace.parts, r.workspace.used, r.workspace.nextDay = n[6], n[7], n[8]
	}
	return nil
}

// result returns the answer to the request.
func (r *reply) result(cost int) ratelimit.Result {
	if !r.passes {
		return r.judge(cost)
	}
	result := r.balance()
	result.Allowed = true
	return result
}
