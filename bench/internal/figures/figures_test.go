package figures

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 999: "999ns", 1234: "1.23µs", 12_345_678: "12.3ms", 1_234_567_890: "1.23s", 83 * time.Second: "1m23s",
	} {
		if got := Short(d); got != want {
			t.Errorf("Short(%d) = %s, want %s", d, got, want)
		}
	}
}

func TestFieldOf(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cpuinfo")
	if err := os.WriteFile(path, []byte("processor\t: 0\nmodel name\t: First: 2 GHz\nmodel name\t: Second\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"model name": "First: 2 GHz", "processor": "0", "flags": ""} {
		if got := FieldOf(path, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if got := FieldOf(path+".none", "processor"); got != "" {
		t.Errorf("of no file: %q", got)
	}
}
