package keystore

import (
	"sync"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/internal/celltable"
)

// indexShard is a part of the keys.
type indexShard struct {
	mu      sync.RWMutex
	entries celltable.Table[indexEntry]
	_       [40]byte
}

// find returns the cell of an ID, or -1.
func (s *indexShard) find(hash uint64, id *apikey.ID) int {
	for g := s.entries.First(hash); ; g = s.entries.Next(g) {
		tags := s.entries.Tags(g)
		for m := tags.Match(hash); m != 0; m = m.Rest() {
			if cell := m.Cell(g); s.entries.At(cell).id == *id {
				return cell
			}
		}
		if tags.Last() {
			return -1
		}
	}
}
