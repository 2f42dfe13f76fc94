// Package tokenscan finds tokens of Keygate in any text: in logs, sources, chats
// and dumps. It reads a stream with little memory, at more than a gigabyte in
// five seconds, and decides nothing about what it finds.
//
// A token is found by its form and its checksum, so that a text that only looks
// like one is not. What stands before and after it does not matter. It is found
// as it is, and where characters of it are escaped, each by its own, up to
// three times over and in any mix:
//
//   - JSON and JavaScript: \u005f, \x5f, and \\ and \_ for the character itself;
//   - URLs: %5F;
//   - HTML: &#95;, &#x5f;, &lowbar; and &amp;.
//
// A stream that begins with the byte order mark of UTF-16 is read as such. A
// token that is compressed, encrypted, in base64 or broken into lines is not
// found.
package tokenscan

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/socialpatra/keygate/apikey"
)

// Scanner finds the tokens of one brand, or of any brand if it is "".
type Scanner struct {
	Brand string

	window int // bytes that are looked at together; 0: usualWindow
}

const (
	// usualWindow is what a scan takes of memory, in bytes.
	usualWindow = 256 << 10

	// longestEscaped bounds the bytes of an escaped token. A run of more than a
	// window is looked at in pieces that overlap by as much.
	longestEscaped = 4 << 10

	longestBrand = 16
	tail         = 1 + apikey.IDLen + 1 + apikey.SecretLen + apikey.ChecksumLen // all but the brand
	shortest     = 2 + tail
)

// Scan calls found with each token of a stream, by lines, and returns how many
// bytes it has read. Within an unbroken run of characters, such as a line without
// a space, it may name the same token once. It ends with the first error of r or
// of found, which it returns as it is.
func (s Scanner) Scan(r io.Reader, found func(Find) error) (read int64, err error) {
	size := s.window
	if size == 0 {
		size = usualWindow
	}
	p := pass{brand: s.Brand, found: found, line: 1, told: make(map[string]bool), before: make(map[string]bool)}
	buf := make([]byte, 0, size)
	wide, last := false, false
	for !last {
		n, err := io.ReadFull(r, buf[len(buf):cap(buf)])
		fresh := buf[len(buf) : len(buf)+n]
		if read == 0 {
			wide = bytes.HasPrefix(fresh, []byte("\xff\xfe")) || bytes.HasPrefix(fresh, []byte("\xfe\xff"))
		}
		read += int64(n)
		if last = errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF); err != nil && !last {
			return read, err
		}
		if wide {
			n = dropZeros(fresh)
		}
		buf = buf[:len(buf)+n]
		used := p.look(buf, last)
		if p.failed != nil {
			return read, p.failed
		}
		buf = buf[:copy(buf, buf[used:])]
	}
	return read, nil
}

// In returns the tokens of a text.
func In(text string) (found []Find) {
	window := min(usualWindow, max(2*longestEscaped, len(text)+1))
	// Neither the reader nor the function can fail.
	_, _ = Scanner{window: window}.Scan(strings.NewReader(text), func(f Find) error {
		found = append(found, f)
		return nil
	})
	return found
}

// dropZeros turns UTF-16 into ASCII, as far as tokens go, and returns what is
// left of b.
func dropZeros(b []byte) int {
	n := 0
	for _, c := range b {
		if c != 0 {
			b[n] = c
			n++
		}
	}
	return n
}

// pass is one scan under way.
type pass struct {
	brand  string
	found  func(Find) error
	failed error
	line   int64 // of the first byte that was not looked at

	// The tokens of the run that is looked at, and of the part of it before.
	told, before map[string]bool

	layers [2][]byte // what is left of a run without its escapes
}

// look looks at a part of the stream, and returns how much of it is done with.
// The rest has to come again, in front of what follows.
//
// A token is a run of characters that can be part of one, escaped or not. Most
// texts have none that is long enough, so that look sees only every fiftieth byte
// of them and some before it.
func (p *pass) look(b []byte, last bool) (used int) {
	counted, i := 0, 0
	for len(b)-i >= shortest && p.failed == nil {
		k := i + shortest - 1
		for k >= i && inToken[b[k]] {
			k--
		}
		if k >= i {
			i = k + 1
			continue
		}
		end := i + shortest
		for end < len(b) && inToken[b[end]] {
			end++
		}
		whole := end < len(b) || last
		if !whole && (i > 0 || len(b) < cap(b)) {
			break
		}
		p.line += int64(bytes.Count(b[counted:i], []byte{'\n'}))
		counted = i
		p.lookAtRun(b[i:end])
		if !whole { // its end comes with the next part
			return end - min(longestEscaped, len(b)/2)
		}
		clear(p.before)
		i = min(end+1, len(b))
	}
	if last {
		i = len(b)
	}
	p.line += int64(bytes.Count(b[counted:i], []byte{'\n'}))
	return i
}

// lookAtRun finds the tokens of a run as it is, and below up to three layers of
// escapes.
func (p *pass) lookAtRun(b []byte) {
	p.lookAt(b)
	for layer := range 3 {
		if !escapes(b) {
			break
		}
		buf := &p.layers[layer%2]
		*buf = unescape((*buf)[:0], b)
		if len(*buf) == len(b) {
			break
		}
		b = *buf
		p.lookAt(b)
	}
	p.told, p.before = p.before, p.told
	clear(p.told)
}

// lookAt finds the tokens of a text without escapes.
func (p *pass) lookAt(b []byte) {
	for at := 0; p.failed == nil; at++ {
		i := bytes.IndexByte(b[at:], '_')
		if at += i; i < 0 || at+tail > len(b) {
			return
		}
		const second = 1 + apikey.IDLen
		if b[at+second] == '_' && isBase62(b[at+1:at+second]) && isBase62(b[at+second+1:at+tail]) {
			p.check(string(b[max(0, at-longestBrand) : at+tail]))
		}
	}
}

// check tells of a token at the end of a text, which is in its form but for the
// brand. Any suffix of what stands before the ID may be the brand: the checksum,
// which covers it, decides.
func (p *pass) check(text string) {
	ends := len(text) - tail
	for begins := ends - 1; begins >= 0 && isBrand[text[begins]]; begins-- {
		brand := text[begins:ends]
		if p.brand != "" && brand != p.brand {
			continue
		}
		if id, ok := apikey.Parse(brand, text[begins:]); ok && apikey.CheckBrand(brand) == nil {
			p.tell(Find{Line: p.line, Brand: brand, ID: id, token: text[begins:]})
			return
		}
	}
}

// tell passes a token on, once for a run.
func (p *pass) tell(f Find) {
	known := p.told[f.token] || p.before[f.token]
	p.told[f.token] = true
	if !known {
		p.failed = p.found(f)
	}
}
