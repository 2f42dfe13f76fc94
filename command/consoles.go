package command

import (
	"cmp"
	"maps"
	"net/netip"
	"net/textproto"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/socialpatra/keygate/access/lint"
	"github.com/socialpatra/keygate/caddymodule/addresses"
	"github.com/socialpatra/keygate/internal/jsontree"
	"github.com/socialpatra/keygate/internal/listening"
)

// findConsoles returns the keygate_console handlers of a config, with what a request
// may have passed before it comes there.
func findConsoles(tree any) (found []lint.Console) {
	apps := jsontree.At(tree, "apps")
	servers := jsontree.Object(apps, "http", "servers")
	for _, name := range slices.Sorted(maps.Keys(servers)) {
		server := servers[name]
		for _, console := range handlersIn(server, "keygate_console") {
			found = append(found, readConsole(apps, server, console))
		}
	}
	return found
}

// handlersIn returns all handlers of a name, wherever they are.
func handlersIn(tree any, name string) (found []map[string]any) {
	switch value := tree.(type) {
	case []any:
		for _, element := range value {
			found = append(found, handlersIn(element, name)...)
		}
	case map[string]any:
		if value["handler"] == name {
			found = append(found, value)
		}
		jsontree.Members(value, func(_ string, member any) {
			found = append(found, handlersIn(member, name)...)
		})
	}
	return found
}

func readConsole(apps, server any, console map[string]any) lint.Console {
	base := strings.TrimSuffix(jsontree.Text(console, "base"), "/")
	p := newPassage(server, func(handler any) bool { return isSame(handler, console) }, base)
	p.run()
	p.lookIntoPaths()

	c := lint.Console{
		Where: cmp.Or(strings.Join(p.hostsThere(), " "), strings.Join(jsontree.Texts(server, "listen"), " ")),
		All:   jsontree.Text(console, "workspace") == "*",
	}
	options := consoleOptions(console)
	may := state{}
	keyed, signedIn, stripped := true, true, true
	for i := range p.arrived {
		at := &p.arrived[i]
		p.hosts = at.hosts
		for _, option := range slices.Sorted(maps.Keys(options)) {
			for _, name := range placeholdersIn(options[option]) {
				if chosen := (lint.ChosenValue{Option: option, Placeholder: "{" + name + "}"}); p.chooses(&at.state, name, 0) && !slices.Contains(c.Chosen, chosen) {
					c.Chosen = append(c.Chosen, chosen)
				}
			}
		}
		may = may.or(&at.state)
		keyed = keyed && at.keyed
		signedIn = signedIn && (at.signedIn || p.certificates().required)
		stripped = stripped && at.stripped != "" && !at.rewritten && (base == at.stripped || strings.HasPrefix(base, at.stripped+"/"))
		if host := p.plainHost(apps); host != "" {
			c.Plain = host
		}
	}
	c.NoSignIn = !signedIn
	switch {
	case len(p.arrived) == 0:
		c.Refuses = "no request comes to the keygate_console, as an earlier handler answers all of them; put it before that"
	case stripped:
		c.Refuses = "no request comes to the keygate_console: " + p.arrived[0].stripped + " is off the path before it, and base still has it; write base " + cmp.Or(strings.TrimPrefix(base, p.arrived[0].stripped), "/")
	case keyed:
		c.Refuses = "the keygate_console is behind keygate, which lets only keys in, and a key never manages keys; put it before keygate, in a handle block of its own"
	case !may.unknown:
		c.Refuses = withoutValue(options, &may, p.certificates().asked)
	}
	return c
}

// withoutValue finds a value that nothing before the console gives.
func withoutValue(options map[string]string, may *state, certificates bool) string {
	for _, option := range slices.Sorted(maps.Keys(options)) {
		for _, name := range placeholdersIn(options[option]) {
			who := ""
			switch {
			case strings.HasPrefix(name, "http.auth.") && !may.named:
				who = "basic_auth or another authentication"
			case strings.HasPrefix(name, "http.reverse_proxy.header.") && !may.asked:
				who = "forward_auth"
			case strings.HasPrefix(name, certificatePrefix) && !certificates:
				who = "client_auth in tls"
			}
			if who != "" {
				return "the keygate_console refuses every request: nothing before it gives {" + name + "}, its " + option + ", a value; put " + who + " before it, or write another " + option
			}
		}
	}
	return ""
}

// consoleOptions returns what may have placeholders in a console, by option.
func consoleOptions(console any) map[string]string {
	options := map[string]string{
		"workspace": jsontree.Text(console, "workspace"),
		"actor":     cmp.Or(jsontree.Text(console, "actor"), "{http.auth.user.id}"),
	}
	for _, option := range []string{"expiry", "per_minute", "per_day", "keys"} {
		for _, bound := range []string{"default", "max"} {
			options[option+" "+bound] = jsontree.Text(console, option, bound)
		}
	}
	return options
}

// isSame reports whether two objects of a tree are one and the same.
func isSame(a, b any) bool { return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer() }

// lookIntoPaths follows the requests again, now with a look at path matchers, so that
// only requests for paths of the console count. It does so only if all arrived with
// the same prefix removed and no other rewrite: otherwise their first paths are not
// known.
func (p *passage) lookIntoPaths() {
	for i := range p.arrived {
		if p.arrived[i].rewritten || p.arrived[i].stripped != p.arrived[0].stripped {
			return
		}
	}
	if len(p.arrived) > 0 {
		p.base = p.arrived[0].stripped + p.below
	}
	p.knowsPaths, p.arrived = true, nil
	p.run()
}

func (p *passage) hostsThere() []string {
	if len(p.arrived) == 0 {
		return nil
	}
	return p.arrived[0].hosts
}

const (
	headerPrefix      = "http.request.header."
	cookiePrefix      = "http.request.cookie."
	certificatePrefix = "http.request.tls.client."
)

// clients are the beginnings of placeholders with what a client chooses.
var clients = []string{
	"http.request.uri", "http.request.orig_uri", "http.request.method", "http.request.orig_method", "http.request.host", "http.request.port", "http.request.hostport",
	"http.request.body", "http.request.scheme", "http.request.proto", "http.request.tls.server_name", "http.request.tls.proto", "http.regexp.", "http.matchers.",
}

var placeholder = regexp.MustCompile(`\{([^{}]+)\}`)

// placeholdersIn returns the names of the placeholders in a text.
func placeholdersIn(text string) (names []string) {
	for _, m := range placeholder.FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	return names
}

// isChosen reports whether a client may have chosen something of a text.
func (p *passage) isChosen(s *state, text string) bool {
	return slices.ContainsFunc(placeholdersIn(text), func(name string) bool { return p.chooses(s, name, 0) })
}

// chooses reports whether a client may have chosen the value of a placeholder. Maps
// may name each other, to some depth.
func (p *passage) chooses(s *state, name string, depth int) bool {
	if sources, ok := s.mapped[name]; ok {
		return depth < 16 && slices.ContainsFunc(sources, func(text string) bool {
			return slices.ContainsFunc(placeholdersIn(text), func(name string) bool { return p.chooses(s, name, depth+1) })
		})
	}
	if header, ok := strings.CutPrefix(name, headerPrefix); ok {
		return !s.cleaned[textproto.CanonicalMIMEHeaderKey(header)]
	}
	if variable, ok := strings.CutPrefix(name, "http.vars."); ok {
		return s.chosen[variable]
	}
	switch {
	case strings.HasPrefix(name, cookiePrefix):
		return !s.cleaned["Cookie"]
	case strings.HasPrefix(name, certificatePrefix):
		return !p.certificates().verified
	}
	return slices.ContainsFunc(clients, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// certificates are what a server asks of its clients.
type certificates struct {
	asked, verified, required bool // verified: if there is one, somebody has signed it
}

// certificates returns what is asked of the clients of the present hosts. A client
// may name any host of the server in the handshake unless Caddy compares, which it
// does where certificates are asked for.
func (p *passage) certificates() certificates {
	if compares, ok := jsontree.At(p.server, "strict_sni_host").(bool); ok && !compares {
		p := *p
		p.hosts = nil
		return p.ofPolicies()
	}
	return p.ofPolicies()
}

func (p *passage) ofPolicies() certificates {
	c := certificates{verified: true, required: true}
	matched := false
	for _, policy := range jsontree.List(p.server, "tls_connection_policies") {
		names := jsontree.Texts(policy, "match", "sni")
		if len(p.hosts) > 0 && len(names) > 0 && !slices.ContainsFunc(p.hosts, func(host string) bool { return slices.Contains(names, host) }) {
			continue
		}
		if matched && len(names) == 0 && len(p.hosts) > 0 {
			continue // for other names
		}
		matched = true
		asks, _ := jsontree.At(policy, "client_authentication").(map[string]any)
		verifies, requires := verification(asks)
		c.asked = c.asked || len(asks) > 0
		c.verified = c.verified && (verifies || len(asks) == 0)
		c.required = c.required && verifies && requires
	}
	c.required = c.required && matched
	return c
}

// verification reads client_authentication.
func verification(asks map[string]any) (verifies, requires bool) {
	signers := slices.ContainsFunc([]string{"ca", "trusted_ca_certs", "trusted_ca_certs_pem_files", "trusted_leaf_certs", "verifiers"}, func(name string) bool { return asks[name] != nil })
	switch mode, _ := asks["mode"].(string); mode {
	case "require_and_verify":
		return true, true
	case "verify_if_given":
		return true, false
	case "":
		return signers, len(asks) > 0
	default: // request or require: whoever signed it, unless further checks look
		return asks["verifiers"] != nil || asks["trusted_leaf_certs"] != nil, mode == "require"
	}
}

// plainHost returns a present host to which clients come without TLS.
func (p *passage) plainHost(apps any) string {
	if len(jsontree.List(p.server, "tls_connection_policies")) > 0 {
		return ""
	}
	port, _ := jsontree.At(apps, "http", "http_port").(float64)
	if port == 0 {
		port = 80
	}
	listen := jsontree.Texts(p.server, "listen")
	plain := jsontree.IsTrue(p.server, "automatic_https", "disable") || len(listen) > 0 && !slices.ContainsFunc(listen, func(address string) bool {
		return slices.ContainsFunc(addresses.Parse(address), func(at listening.Address) bool { return at.TCP.Port() != uint16(port) })
	})
	for _, host := range p.hosts {
		_, err := netip.ParseAddr(host)
		local := err == nil || host == "localhost" || strings.HasSuffix(host, ".localhost") || strings.Contains(host, "{")
		if !local && (plain || slices.Contains(jsontree.Texts(p.server, "automatic_https", "skip"), host)) {
			return host
		}
	}
	return ""
}
