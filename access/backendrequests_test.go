package access

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

type backendRequest struct{ method, path string }

// What clients may put before, behind and instead of parts of a path. Most of it
// is refused, which is one way not to be misread.
var (
	behind = strings.Fields(`/... /%20 /%20. /+ /.%20 /%20/ .json .xml . .. ... .JSON .tar.gz %2ejson .json%20 .%20. .json. .csv .CSV .csv.json .me @all :publish :publish.json :PUBLISH %3apublish + +. .+ %20 %20. %20.json +.json
		%3f %3F.json %23 %23x %3b ;x ; ? # ?x #/ / // %2f %5c \ %253f %252e %2520 %00 %0a %09 %7f %c2%a0 %c2%85 %e2%80%a8 %e2%80%8b %ef%bb%bf %cc%81 %c2%ad
		! $ & ' ( ) * , = : @ [ ] ~ _ - %21 %24 %26 %27 %28 %29 %2a %2b %2c %3a %3d %40 %5b %5d %20%20 %22 %3c %3e %5e %60 %7b %7c %7d
		%ef%bc%8e %ef%bc%8ejson %e2%80%a4 %e2%80%a4json %ef%b9%92json %e2%80%a5 %e2%80%a6 %ef%bc%8f %ef%bc%bc %ef%bc%9f %ef%bc%83 %ef%bc%9b %cd%be %ef%bc%853f %ef%b9%aa2f %e2%84%80 %e2%81%87 %e3%80%80 %e2%80%89 %e2%80%80
		/. /.. /%2e%2e /x/.. /../me /comments /me %2fcomments %ef%bc%8fcomments`)
	before = strings.Fields(`. .. _ + %20 %c2%a0 @ %40 : %3a ~ ; %3b x. .x %ef%bb%bf %e2%80%8b // ./ ../ %2f %5c %ef%bc%8f`)
)

func percent(s string) (escaped string) {
	for i := range len(s) {
		escaped += fmt.Sprintf("%%%02x", s[i])
	}
	return escaped
}

// instead returns other spellings of one character.
func instead(c byte) []string {
	all := []string{percent(string(c)), strings.ToUpper(percent(string(c))), "%25" + percent(string(c))[1:], percent(string(rune(c) - 0x20 + 0xff00)), string(c) + "%cc%81", ""}
	if letter := c | 0x20; 'a' <= letter && letter <= 'z' {
		all = append(all, string(c^0x20), percent(string(c^0x20)))
	}
	for _, r := range lookalikes[c|0x20] {
		all = append(all, percent(string(r)))
	}
	return all
}

// lookalikes are all characters that are an ASCII one to somebody.
var lookalikes = map[byte][]rune{
	'i': {'ı', 'İ', 'ⅰ', 'ⁱ', 'ｉ'}, 's': {'ſ', 'ˢ', 'ß'}, 'k': {'\u212a', 'ᵏ'}, 'd': {'ⅾ', 'ⓓ', '𝐝'}, 'm': {'ⅿ', 'ᵐ'}, 'e': {'ℯ', 'é'}, 'a': {'ª', 'á'}, 'f': {'ﬀ', 'ﬁ'}, 'r': {'ℛ'},
}

// ligatures are single characters that some read as several.
var ligatures = []struct {
	text string
	as   rune
}{
	{"ss", 'ß'}, {"ss", 'ẞ'}, {"ff", 'ﬀ'}, {"fi", 'ﬁ'}, {"st", 'ﬅ'}, {"st", 'ﬆ'}, {"ffi", 'ﬃ'}, {"m", '㎜'}, {"...", '…'}, {"..", '‥'}, {"a", '℀'}, {"42", '㊷'},
}

// backendRequests are made of what each route is asked by: all that differ from
// it in one thing, and some that differ in two.
func backendRequests() (requests []backendRequest) {
	random := rand.New(rand.NewPCG(1, 2))
	seen := make(map[backendRequest]bool)
	for _, r := range parseRoutes(backendRoutes) {
		method := strings.Replace(r.Methods[0], "*", "POST", 1)
		add := func(path string) {
			if r := (backendRequest{method, path}); !seen[r] {
				seen[r] = true
				requests = append(requests, r)
			}
		}
		path := aName.ReplaceAllString(strings.Replace(r.Pattern, "*", "week/12", 1), "42")
		add(path)
		add(strings.ToUpper(path))
		once := variants(path)
		for _, p := range once {
			add(p)
		}
		for range 500 {
			twice := variants(once[random.IntN(len(once))])
			add(twice[random.IntN(len(twice))])
		}
	}
	return requests
}

// variants returns all paths that differ from one in one thing.
func variants(path string) (all []string) {
	every := func(sep string) {
		all = append(all, "/"+strings.ReplaceAll(path[1:], "/", sep+"/")+sep)
	}
	for i := 1; i <= len(path); i++ {
		if i == len(path) || path[i] == '/' {
			for _, s := range behind {
				all = append(all, path[:i]+s+path[i:])
			}
		} else {
			for _, s := range instead(path[i]) {
				all = append(all, path[:i]+s+path[i+1:])
			}
		}
		if path[i-1] == '/' {
			for _, s := range before {
				all = append(all, path[:i]+s+path[i:])
			}
		}
	}
	for _, s := range []string{".json", "%20", "+", "."} {
		every(s)
	}
	for _, l := range ligatures {
		if one := strings.Replace(path, l.text, percent(string(l.as)), 1); one != path {
			all = append(all, one)
		}
	}
	return all
}
