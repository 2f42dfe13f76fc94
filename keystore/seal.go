package keystore

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// Every value on disk is sealed:
//
//	format   1 byte, see sealFormat; all formats keep these five bytes
//	checksum 4 bytes, big endian: CRC-32C of bucket, key, format and fields
//	fields   as protocol buffers encode them
//
// The checksum covers the place of the value, so that a value that was moved to
// another place does not verify. It finds damage. It does not stop somebody who
// can write to the file.
const (
	sealFormat = 1
	sealLen    = 1 + crc32.Size
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// newSealed returns the start of a value. The caller appends the fields.
func newSealed(capacity int) []byte { return make([]byte, sealLen, sealLen+capacity) }

// seal completes a value that newSealed began.
func seal(bucket, key, value []byte) []byte {
	value[0] = sealFormat
	binary.BigEndian.PutUint32(value[1:sealLen], checksum(bucket, key, value))
	return value
}

// unseal returns the fields of a value, or an error that wraps ErrDamaged or
// ErrNewer.
func unseal(bucket, key, value []byte) ([]byte, error) {
	if len(value) < sealLen {
		return nil, fmt.Errorf("%w: %d bytes are left of it", ErrDamaged, len(value))
	}
	if binary.BigEndian.Uint32(value[1:sealLen]) != checksum(bucket, key, value) {
		return nil, fmt.Errorf("%w: its checksum does not match", ErrDamaged)
	}
	if value[0] != sealFormat {
		return nil, fmt.Errorf("%w (format %d, this one knows %d)", ErrNewer, value[0], sealFormat)
	}
	return value[sealLen:], nil
}

func checksum(bucket, key, value []byte) uint32 {
	sum := crc32.Update(0, castagnoli, bucket)
	sum = crc32.Update(sum, castagnoli, key)
	sum = crc32.Update(sum, castagnoli, value[:1])
	return crc32.Update(sum, castagnoli, value[sealLen:])
}
