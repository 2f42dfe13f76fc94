package redis

import (
	"errors"
	"io"
	"strings"
	"testing"
)

func TestExplain(t *testing.T) {
	c := &Conn{config: Config{Username: "gateway-7", Password: "correct-horse"}}
	for name, tt := range map[string]struct {
		err                    error
		unavailable, uncertain bool
	}{
		"not connected": {notSentError{errors.New("connection refused")}, true, false},
		"cut off":       {io.EOF, true, true},
		"password":      {errors.New("unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'x' 'correct-horse'"), true, true},
		"user":          {notSentError{errors.New("no such user gateway-7")}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			got := c.explain(tt.err)
			if errors.Is(got, ErrUnavailable) != tt.unavailable || errors.Is(got, ErrUncertain) != tt.uncertain {
				t.Errorf("%v: unavailable %t, uncertain %t", got, errors.Is(got, ErrUnavailable), errors.Is(got, ErrUncertain))
			}
			for _, secret := range []string{c.config.Username, c.config.Password} {
				if strings.Contains(got.Error(), secret) {
					t.Errorf("%v shows a secret", got)
				}
			}
		})
	}
	if err := c.explain(nil); err != nil {
		t.Error(err)
	}
}

func TestSlotOf(t *testing.T) {
	// From the Cluster specification: the check value of CRC-16/XMODEM is 0x31C3.
	if got := slotOf("123456789"); got != 0x31C3 {
		t.Errorf("slot %#x", got)
	}
	for _, r := range [][2]int64{{0, 5460}, {5461, 10922}, {10923, 16383}, {16383, 16383}} {
		if slot := int64(slotOf(tagBetween(r[0], r[1]))); slot < r[0] || slot > r[1] {
			t.Errorf("the slot of a tag for %v is %d", r, slot)
		}
	}
}
