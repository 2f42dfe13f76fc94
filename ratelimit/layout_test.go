package ratelimit

import (
	"fmt"
	"reflect"
	"testing"
	"time"
	"unsafe"

	"github.com/socialpatra/keygate/apikey"
)

// pair is what processors fetch at once: two lines of the cache.
const pair = 128

// TestLayout is about what a request waits for when no cache has it. A shard that
// shares a line with its neighbour would also have those who use the one wait for
// those who use the other.
func TestLayout(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		return // there is no padding for other sizes of a pointer
	}
	t.Run("an entry is one pair of lines", func(t *testing.T) {
		if size := unsafe.Sizeof(entry[apikey.ID]{}); size != pair {
			t.Errorf("of a key: %d bytes; want %d", size, pair)
		}
		if size := unsafe.Sizeof(entry[string]{}); size != pair {
			t.Errorf("of a workspace: %d bytes; want %d", size, pair)
		}
	})
	t.Run("a shard is two, and a use touches the first", func(t *testing.T) {
		var s shard[apikey.ID]
		if size := unsafe.Sizeof(s); size != 2*pair {
			t.Errorf("%d bytes; want %d", size, 2*pair)
		}
		if size := unsafe.Sizeof(shard[string]{}); size != 2*pair {
			t.Errorf("of workspaces: %d bytes; want %d", size, 2*pair)
		}
		if used := unsafe.Offsetof(s.entries) + unsafe.Sizeof(s.entries); used > pair+2*8 { // but for what counts free cells
			t.Errorf("the table ends after %d bytes", used)
		}
		if size := unsafe.Sizeof(table[apikey.ID]{}); size%pair != 0 {
			t.Errorf("%d bytes are all shards of keys, so those of workspaces do not begin with a pair", size)
		}
	})
	t.Run("they begin with one", func(t *testing.T) {
		l := New()
		noon := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
		for n := range 5_000 {
			l.Take(apikey.IDFrom(fmt.Sprint("key", n)), Caps{Limits: apikey.Limits{PerMinute: 60, PerDay: 60, Burst: 60}}, 1, noon)
		}
		for i := range l.keys.shards {
			s := &l.keys.shards[i]
			if at := uintptr(unsafe.Pointer(s)); at%pair != 0 {
				t.Fatalf("shard %d begins %d bytes after a pair", i, at%pair)
			}
			for cell, e := range s.entries.All() {
				if at := uintptr(unsafe.Pointer(e)); at%pair != 0 {
					t.Fatalf("cell %d of shard %d begins %d bytes after a pair", cell, i, at%pair)
				}
			}
		}
		if at := uintptr(unsafe.Pointer(&l.workspaces.shards[0])); at%pair != 0 {
			t.Errorf("the shards of workspaces begin %d bytes after a pair", at%pair)
		}
	})
	t.Run("keys in use are nothing to scan", func(t *testing.T) {
		if p := pointerIn(reflect.TypeFor[entry[apikey.ID]]()); p != "" {
			t.Errorf("an entry has a pointer: %s", p)
		}
	})
}

// pointerIn returns where a type has a pointer, or "".
func pointerIn(typ reflect.Type) string {
	switch typ.Kind() {
	case reflect.Struct:
		for field := range typ.Fields() {
			if p := pointerIn(field.Type); p != "" {
				return field.Name + "." + p
			}
		}
		return ""
	case reflect.Array:
		return pointerIn(typ.Elem())
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64:
		return ""
	default:
		return typ.String()
	}
}
