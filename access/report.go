package access

import "time"

// Settle turns a decision into what is done, after limits and budgets have had their
// say. In mode report a request that would be denied passes, and WouldDeny has the
// reason. A key that has ended stays refused: whoever ended it wants it to be useless
// at once.
func (p *Policy) Settle(d *Decision) {
	if !p.Report || d.Reason == Allowed {
		return
	}
	d.WouldDeny = d.Reason
	if !d.Ended {
		d.Reason = Allowed
	}
}

// Identified reports whether the request passes as that of its key. Only then
// the handlers behind may learn whose it is.
func (d *Decision) Identified() bool {
	return d.Authenticated && d.Reason == Allowed && d.WouldDeny == 0
}

// hasEnded reports whether the key of a token is revoked, disabled or expired. It
// is asked of tokens that are not looked up otherwise, because the client is over
// its budget of failures: that never lets an ended key in.
func (p *Policy) hasEnded(token string, now time.Time) bool {
	_, grant, reason, _ := p.identify(token, false)
	return reason == Allowed && OfStatus(grant.Status(now)) != Allowed
}
