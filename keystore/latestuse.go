package keystore

import "github.com/socialpatra/keygate/apikey"

// latestUse finds when keys were last used, in the order of their IDs: what is saved,
// and what of the journal is not folded yet. The same key may be asked for twice.
type latestUse struct {
	journal  *journal
	unfolded *useRecords // of the key that was asked for last
	saved    follower

	id apikey.ID // that key, if the journal has it
}

// find returns the record, or nil.
func (l *latestUse) find(id apikey.ID) []byte {
	saved := l.saved.find(id)
	if len(l.journal.groups) == 0 {
		return saved
	}
	if id != l.id {
		l.id = id
		clear(l.unfolded.over)
		l.add(id)
	}
	if value, ok := l.unfolded.over[overName(bucketLastUsed, id[:])]; ok {
		return value
	}
	return saved
}

// add does of [journal.addUse] what is about the last use.
func (l *latestUse) add(id apikey.ID) {
	for i := range l.journal.groups {
		g := &l.journal.groups[i]
		for _, r := range g.runs {
			r.to(id[:])
		}
		if u, _, _ := l.journal.usageOf(g, id); u.LastUsed != 0 {
			_ = saveLastUsed(l.unfolded, id, u.LastUsed) // in memory
		}
	}
}
