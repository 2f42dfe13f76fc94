package lint

// PlainSite is a site with keygate and a name, by what becomes of a key that is sent
// to http:// at that name.
type PlainSite struct {
	Host     string
	Answered bool // a site of the config answers there; otherwise Caddy redirects
}

// Plaintext returns the sites where a key goes in the clear and stays good.
func Plaintext(sites []PlainSite) []Finding {
	all := findings{}
	for _, s := range sites {
		if s.Answered {
			all.add(Unwatched, s.Host, "a key that is sent to http://%s goes in the clear, and the site there leaves it good; put keygate_plaintext revoke before all else in it, without a matcher", s.Host)
		} else {
			all.add(Unwatched, s.Host, "a key that is sent to http://%s goes in the clear, is redirected, and stays good; write a site http://%s beside it with keygate_plaintext revoke in it", s.Host, s.Host)
		}
	}
	return all.sorted()
}
