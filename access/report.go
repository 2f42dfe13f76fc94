package access

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

// holdsEnded reports whether a request that would be denied has the token of a key that
// is revoked, disabled or expired, wherever a backend might read it. What else is wrong
// with the request, or the budget of its client, never lets such a key in. Of a request
// with more than mostValues, which no client sends, it is taken for granted.
func (p *Policy) holdsEnded(q *Request) (ended bool) {
	if len(q.Authorization)+len(q.KeyHeader)+len(q.ProtocolTokens) > mostValues {
		return true
	}
	for _, values := range [...][]string{q.Authorization, q.KeyHeader, q.ProtocolTokens} {
		for _, value := range values {
			eachToken(value, func(token string) bool {
				_, grant, reason, _ := p.identify(token, false)
				ended = reason == Allowed && OfStatus(grant.Status(q.Now)) != Allowed
				return !ended
			})
			if ended {
				return true
			}
		}
	}
	return false
}
