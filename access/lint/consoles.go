package lint

import "strings"

// Console is a keygate_console handler, by what a request may have passed before
// it comes there.
type Console struct {
	Where string // what its site is reached by, "app.example.com"
	All   bool   // it is for all workspaces

	// Chosen are the values that a client may have chosen: it sent them, and no
	// handler has set or deleted them for sure.
	Chosen []ChosenValue

	NoSignIn bool   // a request may come there that nobody has signed in
	Refuses  string // why it refuses every request, or none comes there; "" if neither
	Plain    string // a name of its site that is served without TLS, or ""
}

// ChosenValue is a placeholder in an option of a console.
type ChosenValue struct {
	Option      string // "workspace", "keys max"
	Placeholder string // "{http.request.header.X-Workspace}"
}

// Consoles returns what is not safe about consoles, or of no use.
func Consoles(consoles []Console) []Finding {
	all := findings{}
	for i := range consoles {
		c := &consoles[i]
		for _, chosen := range c.Chosen {
			all.add(ChosenByClient, c.Where, "keygate_console takes %s from %s, which may be what the client says; %s", chosen.Option, chosen.Placeholder, chosen.instead())
		}
		if c.NoSignIn {
			whose := ""
			if c.All {
				whose = " of all workspaces"
			}
			all.add(NoSignIn, c.Where, "a request may come to the keygate_console%s without a sign-in; put forward_auth, basic_auth or client_auth with mode require_and_verify before it, for every path that it serves: best without a matcher, in the same block", whose)
		}
		if c.Refuses != "" {
			all.add(UselessConsole, c.Where, "%s", c.Refuses)
		}
		if c.Plain != "" {
			all.add(PlainConsole, c.Where, "keygate_console shows tokens at http://%s, where others can read along; write the address of the site without http://, or without a host name if a proxy before it does TLS", c.Plain)
		}
	}
	return all.sorted()
}

// instead says what to write in place of a value that the client chooses.
func (c *ChosenValue) instead() string {
	header, isHeader := strings.CutPrefix(strings.Trim(c.Placeholder, "{}"), "http.request.header.")
	if strings.HasPrefix(c.Placeholder, "{http.request.tls.client.") {
		return "write mode require_and_verify in client_auth, with the authority that signs the certificates"
	}
	if !isHeader {
		return "write what the sign-in says, such as {http.auth.user.id}, or {http.reverse_proxy.header.X-Workspace} behind forward_auth"
	}
	return "write {http.reverse_proxy.header." + header + "}, which only the service that forward_auth asks can set; or put request_header -" + header +
		" where every request passes it, before what sets the header"
}
