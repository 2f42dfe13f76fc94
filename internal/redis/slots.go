package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// slots says which keys a heartbeat has to write so that it reaches all masters.
type slots struct {
	layout  string // which master has which slots, as far as was known last
	told    string // the address of the node that told it
	masters []string
	keys    []string
}

// refreshSlots asks a Cluster for its masters. Where they have changed, keys
// may have moved to one that has not told of their changes before. While nobody
// answers, what was known last holds: the masters prove themselves all the same.
func (t *Tracking) refreshSlots(ctx context.Context) error {
	if !t.conn.Cluster() {
		if t.slots.keys == nil {
			t.slots.keys = []string{"{" + t.conn.config.Prefix + "}:hb"}
		}
		return nil
	}
	ranges, node, err := t.conn.askLayout(ctx, t.client, t.slots.told, t.slots.masters)
	if err != nil && t.slots.keys != nil {
		return nil
	}
	if err != nil {
		return err
	}
	t.slots.told = node
	var layout strings.Builder
	var masters []string
	for _, r := range ranges {
		fmt.Fprintf(&layout, "%d-%d %s\n", r.first, r.last, r.name)
		masters = append(masters, r.master)
	}
	if layout.String() == t.slots.layout {
		return nil
	}
	t.slots = slots{layout: layout.String(), told: node, masters: masters}
	for _, r := range ranges {
		t.slots.keys = append(t.slots.keys, t.conn.config.Prefix+":hb:{"+tagBetween(r.first, r.last)+"}")
	}
	t.generation.Store(newGeneration())
	return nil
}

// tagBetween returns a hash tag of which the slot is in a range.
func tagBetween(first, last int64) string {
	for n := 0; ; n++ {
		tag := strconv.Itoa(n)
		if slot := int64(slotOf(tag)); first <= slot && slot <= last {
			return tag
		}
	}
}

// slotOf returns the slot of a hash tag: CRC-16/XMODEM, see
// https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/.
func slotOf(tag string) uint16 {
	var crc uint16
	for i := range len(tag) {
		crc ^= uint16(tag[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return crc % 16384
}
