package adminapi

import (
	"bytes"
	"iter"
	"slices"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// keptKeys holds the keys of an import until all lines are read, each as the record
// that a store makes of it: some 250 bytes without a pointer, where the key itself
// takes a kilobyte that the garbage collector scans again and again.
//
// Keys are apart by the first byte of their ID. So what is stored already can be
// given back while the rest is not.
type keptKeys struct {
	parts [256]keptPart
	n     int
}

type keptPart struct {
	index []keptKey
	text  []byte // the records
}

// keptKey says where the record of a key is in the text of its part.
type keptKey struct {
	id         apikey.ID
	start, end uint32 // in text, which is no longer than the body: see maxImport
}

func (kept *keptKeys) add(id apikey.ID, record []byte) {
	part := &kept.parts[id[0]]
	start := len(part.text)
	part.text = append(part.text, record...)
	part.index = append(part.index, keptKey{id, uint32(start), uint32(len(part.text))})
	kept.n++
}

// batches yields all keys sorted by ID, the order in which filling a store takes the
// least work, so many at a time. The slice is valid until the next one. What was
// yielded is forgotten.
func (kept *keptKeys) batches(size int) iter.Seq2[[]apikey.Key, error] {
	return func(yield func([]apikey.Key, error) bool) {
		batch := make([]apikey.Key, 0, min(size, kept.n))
		for i := range kept.parts {
			part := kept.parts[i]
			kept.parts[i] = keptPart{}
			slices.SortFunc(part.index, func(x, y keptKey) int { return bytes.Compare(x.id[:], y.id[:]) })
			for _, at := range part.index {
				k, err := keystore.DecodeKey(at.id, part.text[at.start:at.end])
				if err != nil {
					yield(nil, err)
					return
				}
				if batch = append(batch, k); len(batch) < size {
					continue
				}
				if !yield(batch, nil) {
					return
				}
				batch = batch[:0]
			}
		}
		if len(batch) > 0 {
			yield(batch, nil)
		}
	}
}
