package websocket

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

// The key and the frames are those of RFC 6455 §1.3 and §5.7.
func TestExamples(t *testing.T) {
	if got := Accept("dGhlIHNhbXBsZSBub25jZQ=="); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Errorf("Accept is %q", got)
	}
	for name, test := range map[string]struct {
		mask  *[4]byte
		frame string
	}{
		"of a server": {nil, "\x81\x05Hello"},
		"of a client": {&[4]byte{0x37, 0xfa, 0x21, 0x3d}, "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := AppendText(nil, []byte("Hello"), test.mask); string(got) != test.frame {
				t.Errorf("the frame is %q", got)
			}
			r := strings.NewReader(test.frame + "next")
			got, err := ReadText(r, make([]byte, 200))
			if err != nil || string(got) != "Hello" || r.Len() != 4 {
				t.Errorf("%q, %v, and %d bytes are left", got, err, r.Len())
			}
		})
	}
}

func TestLongest(t *testing.T) {
	long := bytes.Repeat([]byte("x"), MaxPayload)
	for _, mask := range []*[4]byte{nil, {1, 2, 3, 4}} {
		got, err := ReadText(bytes.NewReader(AppendText(nil, long, mask)), make([]byte, MaxPayload+4))
		if err != nil || !bytes.Equal(got, long) {
			t.Errorf("%q, %v", got, err)
		}
	}
}

func TestReadTextRefuses(t *testing.T) {
	for name, frame := range map[string]string{
		"nothing":        "",
		"half a head":    "\x81",
		"a cut frame":    "\x81\x05Hell",
		"a cut mask":     "\x81\x85\x37\xfa",
		"a close":        "\x88\x00",
		"a fragment":     "\x01\x01x",
		"a longer frame": "\x81\x7e\x00\x80" + strings.Repeat("x", 128),
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := ReadText(io.MultiReader(strings.NewReader(frame)), make([]byte, 200)); err == nil {
				t.Errorf("read %q", got)
			}
		})
	}
}
