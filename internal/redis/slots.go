package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// slots says which keys a heartbeat has to write so that it reaches all masters.
type slots struct {
	layout string // which master has which slots, as far as was known last
	keys   []string
}

// refreshSlots asks a Cluster for its masters. Where they have changed, keys
// may have moved to one that has not told of their changes before.
func (t *Tracking) refreshSlots(ctx context.Context) error {
	if !t.conn.Cluster() {
		if t.slots.keys == nil {
			t.slots.keys = []string{"{" + t.conn.config.Prefix + "}:hb"}
		}
		return nil
	}
	m, err := t.conn.message(t.client.Do(ctx, t.client.B().ClusterSlots().Build()))
	if err != nil {
		return err
	}
	ranges, err := m.ToArray()
	if err != nil {
		return fmt.Errorf("%w: CLUSTER SLOTS: %w", ErrUnavailable, err)
	}
	var layout strings.Builder
	var first, last []int64
	for i := range ranges {
		parts, err := ranges[i].ToArray()
		if err != nil || len(parts) < 3 {
			return fmt.Errorf("%w: CLUSTER SLOTS has an entry of %d parts", ErrUnavailable, len(parts))
		}
		from, _ := parts[0].AsInt64()
		to, _ := parts[1].AsInt64()
		first, last = append(first, from), append(last, to)
		fmt.Fprintf(&layout, "%d-%d", from, to)
		node, _ := parts[2].ToArray()
		for j := 0; j < len(node) && j < 3; j++ { // address, port, name
			fmt.Fprintf(&layout, " %s", node[j].String())
		}
		layout.WriteByte('\n')
	}
	if layout.String() == t.slots.layout {
		return nil
	}
	t.slots = slots{layout: layout.String()}
	for i := range first {
		t.slots.keys = append(t.slots.keys, t.conn.config.Prefix+":hb:{"+tagBetween(first[i], last[i])+"}")
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
