package ratelimit

import "github.com/socialpatra/keygate/apikey"

// Watch remembers what was seen of the use of one key on one day, so that the same
// is not seen again with each request. The zero Watch has seen nothing. What it
// remembers is tied to the very scopes that it was seen of: where the key has
// others, or it is another day, it begins anew.
type Watch struct {
	sighting apikey.Sighting
	day      apikey.Day
	fresh    bool // there is something that Take has not returned yet
}

// Day returns the day that the Watch is about.
func (w *Watch) Day() apikey.Day { return w.day }

// knows reports whether a sighting shows nothing new.
func (w *Watch) knows(s *apikey.Sighting, day apikey.Day) bool {
	have := &w.sighting
	return have.Scopes == s.Scopes && w.day == day && s.Needed&^have.Needed == 0 &&
		(have.Network == s.Network || have.Network == apikey.SeveralNetworks)
}

// See adds a sighting of a day. What it returns, unless that is nil, has to be saved
// with its day: it is what the Watch gives up for it and Take has not returned.
func (w *Watch) See(s *apikey.Sighting, day apikey.Day) (gone *apikey.Sighting, goneDay apikey.Day) {
	if w.knows(s, day) {
		return nil, 0
	}
	if w.sighting.Scopes != s.Scopes || w.day != day {
		gone, goneDay = w.Take()
		*w = Watch{day: day}
		w.sighting.Scopes = s.Scopes
	}
	w.sighting.Needed |= s.Needed
	w.sighting.Network = w.sighting.Network.With(s.Network)
	w.fresh = true
	return gone, goneDay
}

// Take returns what there is to save, and on which day it was seen, or nil.
func (w *Watch) Take() (*apikey.Sighting, apikey.Day) {
	if !w.fresh {
		return nil, 0
	}
	w.fresh = false
	return new(w.sighting), w.day
}

// Untake has Take return a sighting again, which could not be saved. It reports
// false if the Watch is about something else by now.
func (w *Watch) Untake(s *apikey.Sighting, day apikey.Day) bool {
	if w.day != day || !w.knows(s, day) {
		return false
	}
	w.fresh = true
	return true
}
