package lint

// NotYetEnforced returns the gateways that only report.
func NotYetEnforced(mappings []Mapping) []Finding {
	all := findings{}
	for i := range mappings {
		if m := &mappings[i]; m.Reports {
			all.add(NotEnforced, m.place(), "mode report refuses only keys that have ended; once the counts of caddy_keygate_would_deny_total are what they should be, remove mode report")
		}
	}
	return all.sorted()
}

// place returns where the first thing that is mapped was written.
func (m *Mapping) place() string {
	if len(m.Routes) > 0 {
		return m.Routes[0].Source
	}
	if len(m.Documents) > 0 {
		return m.Documents[0].File
	}
	return ""
}

// Unanswered is the finding for a config in which a gateway passes requests of
// others on to nothing.
func Unanswered(config string) Finding {
	return Finding{NothingBehind, config, "keygate has foreign pass, and no handler that answers comes behind it; put reverse_proxy, or what else serves the API, behind it. Caddy refuses this config"}
}

// WaysPastAuthorize returns the gateways that a proxy asks, and that requests can
// miss and be let through all the same. Of each mapping only the place counts.
func WaysPastAuthorize(missed []Mapping) []Finding {
	all := findings{}
	for i := range missed {
		all.add(PastAuthorize, missed[i].place(), "requests can miss this keygate, and are answered 2xx by Caddy or another handler, which means yes to the proxy that asks; give the site no host name and keygate no matcher, let nothing else answer on its port, or put respond 403 where all else ends")
	}
	return all.sorted()
}
