package headers

// Suspects is a set that contains all plain names that have to be looked at, and
// sometimes others. The first letter of a name selects a word, and the length of
// the name selects a bit in it. That is enough to pass most headers of most
// requests.
type Suspects [32]uint64

func (s *Suspects) Add(folded string) { s[folded[0]%32] |= 1 << min(len(folded), 63) }

// AddAll adds all names that begin with prefix, which must be shorter than 63.
func (s *Suspects) AddAll(prefix string) { s[prefix[0]%32] |= ^uint64(0) << len(prefix) }

func (s *Suspects) Has(name string) bool {
	return name != "" && s[FoldByte(name[0])%32]>>min(len(name), 63)&1 != 0
}
