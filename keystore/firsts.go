package keystore

import (
	"bytes"
	"slices"
)

// firsts keeps the first of many entries, which come in no order. It holds at most
// twice as many as it keeps.
type firsts[T any] struct {
	most int
	list []ranked[T]
	full bool // list has at least most entries; those behind the first most are behind the one that ends them
}

type ranked[T any] struct {
	place place
	value T
}

// add takes an entry if it may be among the first. The name of p need not stay.
func (f *firsts[T]) add(p *place, value T) {
	if f.passes(p) {
		return
	}
	f.list = append(f.list, ranked[T]{p.clone(), value})
	if len(f.list) >= 2*f.most {
		f.sort()
		f.full = true
	}
}

// passes reports whether a place is known to be behind the first.
func (f *firsts[T]) passes(p *place) bool {
	return f.full && p.compare(&f.list[f.most-1].place) >= 0
}

// sorted returns the first entries in their order.
func (f *firsts[T]) sorted() []ranked[T] {
	f.sort()
	return f.list
}

func (f *firsts[T]) sort() {
	slices.SortFunc(f.list, func(x, y ranked[T]) int { return x.place.compare(&y.place) })
	clear(f.list[min(len(f.list), f.most):])
	f.list = f.list[:min(len(f.list), f.most)]
}

func (p *place) clone() place {
	clone := *p
	clone.name = bytes.Clone(p.name)
	return clone
}
