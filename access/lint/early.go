package lint

// Early is a handler, or a matcher, that asks for what a gateway says of the key
// before the request comes to the gateway.
type Early struct {
	Where       string // what its site is reached by, ":443"
	By          string // the handler's name, or "a matcher"
	Placeholder string // "{http.auth.user.workspace}"
}

// EarlyPlaceholders returns a finding for each of them.
func EarlyPlaceholders(asked []Early) []Finding {
	all := findings{}
	for _, e := range asked {
		all.add(EarlyPlaceholder, e.Where, "%s asks for %s before keygate, where nobody has said that yet; put it behind keygate in a route block", e.By, e.Placeholder)
	}
	return all.sorted()
}
