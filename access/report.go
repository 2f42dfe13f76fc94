package access

// Settle turns a decision into what is done, after limits and budgets have had their
// say. In mode report a request that would be denied passes, and WouldDeny has the
// reason. A key that has ended stays refused, as what it is: whoever ended it wants it to
// be useless at once, whatever else is wrong with a request.
func (p *Policy) Settle(d *Decision) {
	if !p.Report || d.Reason == Allowed {
		return
	}
	d.WouldDeny = d.Reason
	switch {
	case d.Ended == 0:
		d.Reason = Allowed
	case d.Reason != TooManyFailures: // which says as little of a token as ever
		d.Reason = d.Ended
	}
}

// Identified reports whether the request passes as that of its key. Only then
// the handlers behind may learn whose it is.
func (d *Decision) Identified() bool {
	return d.Authenticated && d.Reason == Allowed && d.WouldDeny == 0
}

// holdsEnded looks for the token of a key that is revoked, disabled or expired in a
// request that would be denied, wherever a backend might read it. It returns how the
// request is refused, or zero. What else is wrong with the request, or the budget of its
// client, never lets such a key in. A request with more than mostValues, which no client
// sends, is refused as it would be.
func (p *Policy) holdsEnded(q *Request, denied Reason) (ended Reason) {
	if len(q.Authorization)+len(q.KeyHeader)+len(q.ProtocolTokens) > mostValues {
		return denied
	}
	for _, values := range [...][]string{q.Authorization, q.KeyHeader, q.ProtocolTokens} {
		for _, value := range values {
			eachToken(value, func(token string) bool {
				_, grant, reason, _ := p.identify(token, false)
				if status := OfStatus(grant.Status(q.Now)); reason == Allowed && status != Allowed {
					ended = status
				}
				return ended == 0
			})
		}
	}
	return ended
}
