package keystore

import (
	"encoding/binary"
	"iter"
	"slices"
	"sync"

	"github.com/socialpatra/keygate/apikey"
)

// encodedKey is what a batch stores of a key that does not depend on what the file
// has.
type encodedKey struct {
	record, entry []byte
	seen          []byte // nil: none
}

// encodeChunk is how many keys are encoded at a time, and encodeAhead how many times
// that. Both bound what waits to be stored.
const (
	encodeChunk = 256
	encodeAhead = 4
)

// encoded yields the keys in their order, as they are stored, and sets their grants. It
// encodes on another core than its caller's. The caller must stop at the first error.
func (batch *keyBatch) encoded() iter.Seq2[encodedKey, error] {
	type chunk struct {
		keys []encodedKey
		err  error
	}
	return func(yield func(encodedKey, error) bool) {
		chunks, stop := make(chan chunk, encodeAhead), make(chan struct{})
		var worker sync.WaitGroup
		defer worker.Wait()
		defer close(stop)
		worker.Go(func() {
			defer close(chunks)
			enc, err := newKeyEncoder(batch)
			for part := range slices.Chunk(batch.keys, encodeChunk) {
				c := chunk{make([]encodedKey, 0, encodeChunk), err}
				for _, k := range part {
					var e encodedKey
					if c.err == nil {
						e, c.err = enc.encode(*k)
					}
					c.keys = append(c.keys, e)
				}
				select {
				case chunks <- c:
				case <-stop:
					return
				}
				if c.err != nil {
					return
				}
			}
		})
		for c := range chunks {
			for _, e := range c.keys {
				if !yield(e, c.err) {
					return
				}
			}
		}
	}
}

// keyEncoder encodes the keys of a batch one after the other.
type keyEncoder struct {
	batch *keyBatch
	done  int

	nothing, values recordValues // of a key that does not exist, and of the current key
	changed         []byte       // of the current key
}

func newKeyEncoder(batch *keyBatch) (*keyEncoder, error) {
	enc := &keyEncoder{batch: batch}
	return enc, enc.nothing.set(nil, batch.by.At)
}

func (enc *keyEncoder) encode(k apikey.Key) (e encodedKey, err error) {
	batch := enc.batch
	if batch.grants[enc.done], err = prepare(&k); err != nil {
		return e, err
	}
	e.record = encodeKey(&k)
	if r, needed := NewSeenRecord(&k, batch.by.At); needed {
		e.seen = encodeSeen(k.ID[:], &r)
	}
	if err := enc.values.set(&k, batch.by.At); err != nil {
		return e, err
	}
	enc.changed = appendChanges(enc.changed[:0], &enc.nothing, &enc.values, true, false)
	entry := batch.by.Entry("import", k.ID)
	entry.Seq = batch.first + uint64(enc.done)
	name := binary.BigEndian.AppendUint64(nil, entry.Seq)
	e.entry, err = encodeAudit(entry, enc.changed)
	if err != nil {
		return e, err
	}
	e.entry = seal(bucketAudit, name, e.entry)
	enc.done++
	return e, nil
}
