package openapis

import (
	"os"
	"testing"
)

// Nobody may call more of what the documents of real APIs describe than these
// say, and nobody less without a finding.
func TestDirectory(t *testing.T) {
	chosen := sample()
	if os.Getenv("KEYGATE_OPENAPIS_ALL") != "" {
		chosen = nil
	}
	e := &examiner{folder: t.TempDir(), tally: newTally()}
	eachDocument(t, func(name string, data []byte) {
		if chosen != nil && !chosen[name] {
			return
		}
		delete(chosen, name)
		found, err := e.examine(name, data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		e.show(t, name, data, found)
	})
	if len(chosen) > 0 {
		t.Errorf("sample.txt names documents that there are not: %v", chosen)
	}
	if e.tally.documents == 0 {
		t.Error("there was no document")
	}
	t.Log("\n" + e.tally.String())
}

// show reports the first difference of each kind, with a document that is as small
// as it can be and still has it.
func (e *examiner) show(t *testing.T, name string, data []byte, found []difference) {
	t.Helper()
	number := make(map[string]int)
	for _, d := range found {
		number[d.kind]++
	}
	for _, d := range found {
		if number[d.kind] == 0 {
			continue
		}
		t.Errorf("%s: %d times, first:\n%s\nthe smallest document:\n%s", name, number[d.kind], d, e.smallest(t, data, d))
		number[d.kind] = 0
	}
}

// smallest shrinks a document to one with a difference of the same kind.
func (e *examiner) smallest(t *testing.T, data []byte, d difference) string {
	t.Helper()
	if d.kind == tooMuch {
		return "(that is of the size)"
	}
	other := &examiner{folder: t.TempDir(), tally: newTally(), alter: e.alter}
	return shrink(data, func(data []byte) bool {
		document, err := other.open("smaller.yaml", data)
		if err != nil {
			return false
		}
		for _, f := range other.compare(document, d.reading).found {
			if f.kind == d.kind {
				return true
			}
		}
		return false
	})
}
