//go:build backends

package plugin_test

import (
	"fmt"
	"strings"
)

// request is one request as it is written to the wire, but for Host and the
// key.
type request struct {
	method, target string
	headers        string // each with its line end
}

// insertions go into a path at every place.
var insertions = strings.Fields(`/ // /. /./ /../ /x/../ . .. ../ ; ;x=1 ;/ ..;/ \ \..\ %2f %2F %5c %5C %2e %2E%2E %2e/ %2e%2e%2f /%2e%2e/ %252f %252e %25
	% %0 %zz %u002f %00 %0a %0d%0a %09 %20 + %20/ %7f %3b %3f %23 ? ?/ # #/ %c0%af %c0%ae %e0%80%af %e2%81%84 %ef%bc%8f %ef%bc%8e %e2%80%8b %cc%81 %c2%a0
	%c2%ad %ef%bb%bf %ff * ~ ! ' ( ) @ : = & $ , - _ | ^ { } [ ] < > " %22 %24 %26 %28 %2a %2b %2c %3a %3c %3d %40 %5b %5e %60 %7b %7c %7d %C2%85 %E2%80%A8`)

// Bytes that do not stand in a list of fields, also at every place.
var rawInsertions = []string{"\x00", "\t", " ", "\r", "\x0b", "\x7f", "\x85", "\xc0\xaf", "／", "∕", "．", "\u200b"}

// lookalikes are characters that some make a letter of when they ignore case
// or normalise.
var lookalikes = map[byte][]string{
	'i': {"ı", "İ"}, 's': {"ſ"}, 'k': {"\u212a"}, 'I': {"ı", "İ"}, 'S': {"ſ"}, 'K': {"\u212a"},
}

func percent(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, "%%%02X", s[i])
	}
	return b.String()
}

func swapCase(c byte) string {
	if lower := c | 0x20; 'a' <= lower && lower <= 'z' {
		c ^= 0x20
	}
	return string(c)
}

// replacements are other spellings of one character.
func replacements(c byte) []string {
	s := string(c)
	wide := string(rune(c) - 0x20 + 0xff00)
	all := []string{
		percent(s), strings.ToLower(percent(s)), "%25" + percent(s)[1:], "%2525" + percent(s)[1:], fmt.Sprintf("%%u00%02x", c), fmt.Sprintf(`\x%02x`, c),
		swapCase(c), percent(swapCase(c)), percent(string([]byte{0xc0 | c>>6, 0x80 | c&0x3f})), wide, percent(wide), s + percent("\u0301"), "",
	}
	for _, l := range lookalikes[c] {
		all = append(all, l, percent(l))
	}
	return all
}

// mutations returns all requests that are made of a route's own.
func mutations(r *mappedRoute) []request {
	path := r.Example
	targets := []string{
		path, strings.ToUpper(path), strings.ToLower(path), percent(path), "/" + percent(path[1:]), strings.ReplaceAll(path, "/", `\`), strings.ReplaceAll(path, "/", "//"),
		strings.ReplaceAll(path, "/", "/./"), "/." + path, "/.." + path, "/x/.." + path, "/x/..;" + path, "/;" + path, path[1:], "*", "",
		"http://keygate.test" + path, "HTTP://keygate.test" + path, "https://keygate.test" + path, "http://keygate.test/" + path, "http:" + path, "http://keygate.test:1" + path,
		"http://user@keygate.test" + path, "//keygate.test" + path, "///keygate.test" + path, "/http://keygate.test" + path, "keygate.test:80",
		"http://keygate.test?" + path, "http://keygate.test#" + path, "http://keygate.test" + path + "?a=b", "http://keygate.test/.." + path, "file://" + path, path + path,
	}
	for i := 1; i < len(path); i++ {
		for _, s := range replacements(path[i]) {
			targets = append(targets, path[:i]+s+path[i+1:])
		}
	}
	for i := range len(path) + 1 {
		for _, s := range insertions {
			targets = append(targets, path[:i]+s+path[i:])
		}
		for _, s := range rawInsertions {
			targets = append(targets, path[:i]+s+path[i:])
		}
	}
	// Two at the end: what is cut off there hides what is before it.
	for _, s := range insertions {
		for _, then := range []string{"/", "?x", ".json", ";x"} {
			targets = append(targets, path+s+then)
		}
	}
	targets = append(targets, formatted(path)...)
	requests := make([]request, 0, len(targets))
	for _, target := range targets {
		requests = append(requests, request{method: r.Method, target: target})
	}
	return append(requests, methodMutations(r)...)
}

// formats are what some backends take for a format behind a path or a segment,
// and cut off, or what others take for the end of a path.
var formats = strings.Fields(`.json .xml . .. ... .JSON .tar.gz %2ejson %2Ejson .json%20 .json%00 .json;x .csv .me .drafts :publish :publish.json ;.json %3f.json %23.json %253f %253f.json %2523 %253b ?.json #.json`)

// formatted returns a path with each format behind each segment and behind all
// of them, in several cases, with and without a slash at the end.
func formatted(path string) (targets []string) {
	for _, cased := range []string{path, strings.ToUpper(path), path[:len(path)-1] + swapCase(path[len(path)-1])} {
		for _, format := range formats {
			every := cased[:1]
			for i := 1; i <= len(cased); i++ {
				if i == len(cased) || cased[i] == '/' {
					one := cased[:i] + format + cased[i:]
					targets = append(targets, one, one+"/")
					every += format
				}
				if i < len(cased) {
					every += cased[i : i+1]
				}
			}
			targets = append(targets, every, every+"/", cased+"/"+format)
			for _, second := range formats[:6] {
				targets = append(targets, cased+format+second)
			}
		}
	}
	return targets
}

// methodMutations ask for a route by another method.
func methodMutations(r *mappedRoute) (requests []request) {
	add := func(method, target, headers string) {
		requests = append(requests, request{method, target, headers})
	}
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
		add(method, r.Example, "")
		for _, spelt := range []string{strings.ToLower(method), method[:1] + strings.ToLower(method[1:]), method + "\x00", method + "X", "X" + method} {
			add(spelt, r.Example, "")
		}
		for _, name := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "x_http_method_override", "X-Original-Method", "X-Forwarded-Method"} {
			add(r.Method, r.Example, name+": "+method+"\r\n")
		}
		for _, query := range []string{"_method=", "method=", "X-HTTP-Method-Override="} {
			add(r.Method, r.Example+"?"+query+method, "")
		}
	}
	for _, method := range []string{"TRACE", "CONNECT", "PROPFIND", "M-SEARCH", "PRI", "QUERY", "LINK"} {
		add(method, r.Example, "")
	}
	return requests
}

// crossings are requests that begin as one route and end as another.
func crossings(from, to *mappedRoute) (requests []request) {
	add := func(target string) { requests = append(requests, request{method: to.Method, target: target}) }
	up := strings.Count(from.Example, "/")
	for _, dots := range []string{"..", "%2e%2e", ".%2e", "%252e%252e", "..;", "..;x", "..%00", "..%20", "..."} {
		for _, slash := range []string{"/", "%2f", `\`, "%5c", "%252f", "//"} {
			add(from.Example + strings.Repeat(slash+dots, up) + to.Example)
			add(from.Example + strings.Repeat(slash+dots, up) + slash + strings.ReplaceAll(to.Example[1:], "/", slash))
		}
	}
	for _, s := range []string{"?", "#", "%3f", "%23", ";", "%3b", "%00", "\x00", "%0a", " ", "%20", "//", "%20HTTP/1.1%0d%0aX:", "?url=", "@", ":80"} {
		add(from.Example + s + to.Example)
		add(from.Example + s + "/.." + to.Example)
	}
	for _, name := range []string{"X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Uri", "X-Forwarded-Prefix", "x_original_url"} {
		requests = append(requests, request{from.Method, from.Example, name + ": " + to.Example + "\r\n"})
	}
	return requests
}
