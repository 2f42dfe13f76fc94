package redis

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/redis/rueidis"
)

// slotRange are the slots of one master.
type slotRange struct {
	first, last int64
	master      string // host:port; without a host, that of the node that told
	name        string // of the node, by all that is known of it
}

// layoutPatience: the node that told the layout the last time may take one part in
// layoutPatience of the time that is left.
const layoutPatience = 4

// askLayout asks a node of a Cluster which master has which slots, and returns
// its address: the one that told it before, or else the quickest of some others,
// of the known masters where there are any. A client of its own choice asks any
// node that it has ever known, dead ones for as long as they are dead.
func (c *Conn) askLayout(ctx context.Context, client rueidis.Client, told string, masters []string) ([]slotRange, string, error) {
	nodes := client.Nodes()
	if node := nodes[told]; node != nil {
		soon, cancel := context.WithTimeout(ctx, timeLeft(ctx, c.config.Timeout)/layoutPatience)
		ranges, err := c.layoutFrom(soon, node, told)
		cancel()
		if err == nil {
			return ranges, told, nil
		}
	}
	var known, others []string
	for address := range nodes {
		switch {
		case address == told:
		case slices.Contains(masters, address):
			known = append(known, address)
		default:
			others = append(others, address)
		}
	}
	const some = 3                    // any: a map has no order
	asked := append(known, others...) //nolint:gocritic // known is not used again
	if len(known) >= 2 {
		asked = known[:min(some, len(known))]
	}
	type answer struct {
		ranges []slotRange
		node   string
		err    error
	}
	answers := make(chan answer, len(asked))
	for _, address := range asked {
		go func() {
			ranges, err := c.layoutFrom(ctx, nodes[address], address)
			answers <- answer{ranges, address, err}
		}()
	}
	last := fmt.Errorf("%w: no node tells the layout of the Cluster", ErrUnavailable)
	for range asked {
		a := <-answers
		if a.err == nil {
			return a.ranges, a.node, nil
		}
		last = a.err
	}
	return nil, "", last
}

func timeLeft(ctx context.Context, most time.Duration) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		most = min(most, time.Until(deadline))
	}
	return most
}

func (c *Conn) layoutFrom(ctx context.Context, node rueidis.Client, address string) ([]slotRange, error) {
	m, err := c.message(node.Do(ctx, node.B().ClusterSlots().Build()))
	if err != nil {
		return nil, err
	}
	entries, err := m.ToArray()
	if err != nil || len(entries) == 0 {
		return nil, fmt.Errorf("%w: CLUSTER SLOTS of %s has no entries", ErrUnavailable, address)
	}
	host, _, _ := net.SplitHostPort(address)
	var ranges []slotRange
	for i := range entries {
		parts, err := entries[i].ToArray()
		if err != nil || len(parts) < 3 {
			return nil, fmt.Errorf("%w: CLUSTER SLOTS has an entry of %d parts", ErrUnavailable, len(parts))
		}
		var r slotRange
		r.first, _ = parts[0].AsInt64()
		r.last, _ = parts[1].AsInt64()
		master, _ := parts[2].ToArray()
		for j := 0; j < len(master) && j < 3; j++ { // address, port, name
			r.name += " " + master[j].String()
		}
		if len(master) >= 2 {
			at, _ := master[0].ToString()
			port, _ := master[1].AsInt64()
			if at == "" {
				at = host
			}
			r.master = net.JoinHostPort(at, strconv.FormatInt(port, 10))
		}
		ranges = append(ranges, r)
	}
	return ranges, nil
}

// masters returns the masters that there are.
func (c *Conn) masters() ([]rueidis.Client, error) {
	nodes := c.client.Nodes()
	var list []rueidis.Client
	if !c.Cluster() {
		for _, node := range nodes {
			list = append(list, node)
		}
		return list, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.config.Timeout)
	defer cancel()
	ranges, _, err := c.askLayout(ctx, c.client, "", nil)
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool)
	for _, r := range ranges {
		if seen[r.master] {
			continue
		}
		seen[r.master] = true
		node := nodes[r.master]
		if node == nil {
			return nil, fmt.Errorf("%w: the master at %s is not known yet", ErrUnavailable, r.master)
		}
		list = append(list, node)
	}
	return list, nil
}
