// Package websocket has as much of RFC 6455 as messages of up to 125 bytes need.
package websocket

import (
	"crypto/sha1" //nolint:gosec // RFC 6455 §4.2.2 has it so
	"encoding/base64"
	"errors"
	"fmt"
	"io"
)

// MaxPayload is what the shortest form of a length can say (§5.2).
const MaxPayload = 125

const (
	finalText = 0x81 // FIN, and the opcode of text
	masked    = 0x80
)

// Accept is what a server answers to the key of an opening handshake (§4.2.2).
func Accept(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // as above
	return base64.StdEncoding.EncodeToString(sum[:])
}

// AppendText appends a frame of text. What a client sends is masked (§5.3), by a mask
// of its choice; a server has none.
func AppendText(b, payload []byte, mask *[4]byte) []byte {
	b = append(b, finalText, byte(len(payload)))
	if mask == nil {
		return append(b, payload...)
	}
	b[len(b)-1] |= masked
	b = append(b, mask[:]...)
	for i, c := range payload {
		b = append(b, c^mask[i%4])
	}
	return b
}

// ReadText reads a frame of text into buf, which must hold any such frame, and
// returns what was sent.
func ReadText(r io.Reader, buf []byte) (payload []byte, err error) {
	head := buf[:2]
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	if head[0] != finalText {
		return nil, fmt.Errorf("the frame begins with %#x, which is no text", head[0])
	}
	size, hasMask := int(head[1]&^masked), head[1]&masked != 0
	if size > MaxPayload {
		return nil, errors.New("the message is too long")
	}
	if hasMask {
		size += 4
	}
	rest := buf[:size]
	if _, err := io.ReadFull(r, rest); err != nil {
		return nil, err
	}
	if !hasMask {
		return rest, nil
	}
	mask, payload := rest[:4], rest[4:]
	for i := range payload {
		payload[i] ^= mask[i%4]
	}
	return payload, nil
}
